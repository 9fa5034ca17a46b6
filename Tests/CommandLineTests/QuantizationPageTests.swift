import Foundation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion
@testable import weighbridge

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What `quantize --report` writes.
@Suite struct QuantizationPageTests {
  /// Names that end elements, attributes or lines, or combine with what should be escaped.
  static let names = [
    "</code></th><script>alert(1)</script>", "\" onload=\"alert(1)", "' onload='alert(1)",
    "&lt;b&amp;",
    "\u{d4e}<img src=x onerror=alert(1)>", "<\u{301}b>", "]]><!--", "{{{source}}}{{#tensors}}",
    "a\u{0}b\u{1b}[31m", "\u{202e}reversed", "\u{fffe}\u{ffff}",
    "blk.99999999999999999999.attn_q.weight",
    "blk.-1.attn_q.weight", "blk..weight", ".", "", String(repeating: "long", count: 200),
  ]

  private func text(_ page: QuantizationPage) throws -> String {
    String(decoding: try page.html(), as: UTF8.self)
  }

  /// Parses a page as XML.
  private func parsed(_ page: QuantizationPage) throws -> Elements {
    let elements = Elements()
    let parser = XMLParser(data: Data(try page.html()))
    parser.delegate = elements
    #expect(parser.parse(), "\(String(describing: parser.parserError)), line \(parser.lineNumber)")
    return elements
  }

  @Test func showsTheFigures() throws {
    let report = try ReportSample.report(
      layers: 2, limits: .init(maxKl: 0.001, maxRmse: 1), exceeding: true)
    let page = QuantizationPage(report, source: "/some/where/model/", destination: "out/q.gguf")
    let elements = try parsed(page)
    let words = elements.text
    for expected in [
      "model as q4_k_m", "q.gguf", "weighbridge \(Certificate.Tool.current.version)",
      "Limit exceeded: the mean KL divergence is 0.00565, --max-kl allows 0.001",
      "0.00565 nats", "85.9 %", "of 64 positions", "+0.00196 nats", "median\u{a0}0.00479",
      "blk.1.attn_q.weight", "instead of Q4_K", "\(ReportSample.digest)",
      "a warning about it", "weighbridge verify q.gguf",
    ] {
      #expect(words.contains(expected), "\(expected)")
    }
    #expect(!words.contains("/some/where"))
    #expect(elements.rows("tensors") == report.tensors.count + 1)
    #expect(elements.rows("worst") == report.worstTensors.count + 1)
    #expect(elements.rows("types") == report.types.count + 1)
  }

  @Test func isTheSameTwice() throws {
    let pages = try (0..<2).map { _ in
      try text(
        QuantizationPage(ReportSample.report(layers: 3), source: "a", destination: "b.gguf"))
    }
    #expect(pages[0] == pages[1])
  }

  @Test func refersToNothingOutside() throws {
    let page = QuantizationPage(
      try ReportSample.report(layers: 2), source: "a", destination: "b.gguf")
    let elements = try parsed(page)
    #expect(!elements.names.contains("script"))
    #expect(!elements.names.contains("link"))
    #expect(!elements.names.contains("img"))
    #expect(elements.references.allSatisfy { $0.hasPrefix("#") })
    // Every reference has its target, and no two elements share an id.
    #expect(
      Set(elements.references.map { $0.dropFirst() }).isSubset(of: elements.ids.map { $0[...] }))
    #expect(Set(elements.ids).count == elements.ids.count)
    let labels = elements.labels.flatMap { $0.split(separator: " ").map(String.init) }
    #expect(Set(labels).isSubset(of: elements.ids))
    #expect(try !text(page).contains("url("))
  }

  @Test func namesAreOnlyText() throws {
    let report = try ReportSample.report(layers: 1, names: Self.names)
    let plain = try parsed(
      QuantizationPage(
        ReportSample.report(layers: 1, names: Self.names.indices.map { "other\($0)" }), source: "a",
        destination: "b.gguf"))
    let page = QuantizationPage(report, source: "</title><b>", destination: "x'\"<y>.gguf")
    let elements = try parsed(page)
    #expect(Set(elements.names) == Set(plain.names))
    #expect(elements.rows("tensors") == plain.rows("tensors"))
    #expect(elements.attributes.subtracting(plain.attributes).isEmpty)
    let html = try text(page)
    #expect(!html.contains("<script"))
    #expect(!html.unicodeScalars.contains { $0.value < 32 && $0 != "\n" || $0 == "\u{202e}" })
    // By scalars: a character may begin with a letter that combines with a bracket.
    #expect(!Array(html.unicodeScalars).contains(subsequence: Array("<img".unicodeScalars)))
    #expect(elements.text.contains("{{{source}}}{{#tensors}}"))
  }

  @Test func withoutBlocksThereAreNoCharts() throws {
    let report = try ReportSample.report(layers: 2, isQuantized: false)
    let elements = try parsed(QuantizationPage(report, source: "a", destination: "b.gguf"))
    #expect(elements.text.contains("nothing to draw"))
    #expect(elements.text.contains("0.5 ulp"))
    #expect(!elements.ids.contains("layers-title"))
    #expect(!elements.ids.contains("worst"))
    #expect(elements.text.contains("were not run side by side"))
  }

  @Test func staysSmallForHundredsOfLayers() throws {
    let report = try ReportSample.report(layers: 300)
    #expect(report.tensors.count >= 3000)
    let page = QuantizationPage(report, source: "a", destination: "b.gguf")
    #expect(try page.html().count < 3_000_000)
    #expect(page.substitutions.map(\.layers).contains("0–299"))
  }
}

extension Array where Element: Equatable {
  fileprivate func contains(subsequence: [Element]) -> Bool {
    indices.contains { self[$0...].starts(with: subsequence) }
  }
}

/// What a page consists of.
private final class Elements: NSObject, XMLParserDelegate {
  var names: [String] = []
  var ids: [String] = []
  var references: [String] = []
  var labels: [String] = []
  var attributes: Set<String> = []
  var text = ""
  private var section: [String] = []
  private var rowCounts: [String: Int] = [:]

  /// Table rows in a section.
  func rows(_ id: String) -> Int { rowCounts[id] ?? 0 }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    names.append(name)
    self.attributes.formUnion(attributes.keys.map { "\(name) \($0)" })
    if let id = attributes["id"] { ids.append(id) }
    for key in ["href", "src"] { if let value = attributes[key] { references.append(value) } }
    if let value = attributes["aria-labelledby"] { labels.append(value) }
    if name == "section" { section.append(attributes["id"] ?? "") }
    if name == "tr", let section = section.last { rowCounts[section, default: 0] += 1 }
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    if name == "section" { section.removeLast() }
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
}
