import FileContainers
import Foundation
import Mustache
import TensorModel

/// A page for a browser: one file that refers to nothing outside of it, made of the templates in `Templates/`.
///
/// Equal values give equal bytes. The page's policy lets the browser apply this style sheet and run this script and nothing else, by their digests.
enum Page {
  /// What every page needs beside its own values: templates find these under `frame`.
  struct Frame {
    let title: String
    let style = Page.style
    let styleDigest = Page.digest(Page.style)
    let script = Page.script
    let scriptDigest = Page.digest(Page.script)
  }

  /// A page as a file has it.
  ///
  /// - Parameters:
  ///   - values: of the template.
  ///   - template: its text.
  /// - Returns: the text in UTF-8.
  /// - Throws: `inputOutput` if a template isn't one.
  static func html(_ values: Any, _ template: [UInt8]) throws(CheckpointError) -> [UInt8] {
    MustacheContentTypes.register(XHTMLText(), named: "XHTML")
    do {
      var library = MustacheLibrary()
      for (name, part) in [
        ("head", PackageResources.head_html), ("verdict", PackageResources.verdict_html),
        ("panels", PackageResources.panels_html), ("findings", PackageResources.findings_html),
        ("provenance", PackageResources.provenance_html), ("chart", PackageResources.chart_html),
        ("labels", PackageResources.labels_html),
      ] {
        library.register(try MustacheTemplate(string: text(part)), named: name)
      }
      let page = try MustacheTemplate(string: text(template))
      return Array(page.render(values, library: library).utf8)
    } catch {
      throw CheckpointError(
        .inputOutput, "can't make the page: \(error)",
        hint: "this is a defect of the program; leave --report out")
    }
  }

  private static let style = "\n" + Palette.styleSheet + text(PackageResources.page_css)

  // XML takes nothing for markup there, and to a browser the two lines are comments.
  private static let script =
    "\n//<![CDATA[\n" + text(PackageResources.page_js) + "//]]>\n"

  private static func text(_ resource: [UInt8]) -> String {
    String(decoding: resource, as: UTF8.self)
  }

  /// As a Content-Security-Policy has it.
  private static func digest(_ text: String) -> String {
    "sha256-" + Data(Digest(of: Array(text.utf8)).bytes).base64EncodedString()
  }
}
