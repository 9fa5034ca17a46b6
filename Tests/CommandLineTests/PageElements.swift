import FileContainers
import Foundation
import Testing

@testable import weighbridge

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What a page consists of, as an XML parser finds it.
final class PageElements: NSObject, XMLParserDelegate {
  private(set) var names: [String] = []
  private(set) var ids: [String] = []
  /// The ids of sections, in order.
  private(set) var sections: [String] = []
  private(set) var references: [String] = []
  private(set) var labels: [String] = []
  /// Each as `element attribute`.
  private(set) var attributes: Set<String> = []
  /// All texts but scripts and style sheets.
  private(set) var text = ""
  private(set) var script = ""
  private(set) var style = ""
  private(set) var policy = ""
  /// What isn't as it should be for people who don't see the page.
  private(set) var faults: [String] = []
  private var open: [(name: String, attributes: [String: String])] = []
  private var rowCounts: [String: Int] = [:]
  private var hasCaption = false
  private var headingLevel = 0

  /// Parses a page.
  ///
  /// - Throws: what `#require` throws if it isn't well-formed.
  init(_ html: [UInt8]) throws {
    super.init()
    let parser = XMLParser(data: Data(html))
    parser.delegate = self
    let isWellFormed = parser.parse()
    try #require(
      isWellFormed, "\(String(describing: parser.parserError)), line \(parser.lineNumber)")
  }

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
    if attributes["http-equiv"] == "Content-Security-Policy" {
      policy = attributes["content"] ?? ""
    }
    switch name {
    case "section": sections.append(attributes["id"] ?? "")
    case "tr":
      if let section = open.last(where: { $0.name == "section" })?.attributes["id"] {
        rowCounts[section, default: 0] += 1
      }
    case "table": hasCaption = false
    case "caption": hasCaption = true
    case "thead" where !hasCaption: faults.append("a table without a caption")
    case "th" where attributes["scope"] == nil: faults.append("a th without a scope")
    case "h1", "h2", "h3":
      let level = Int(name.dropFirst()) ?? 0
      if level > headingLevel + 1 { faults.append("\(name) after h\(headingLevel)") }
      headingLevel = level
    case "svg" where attributes["aria-hidden"] == nil && attributes["aria-label"] == nil:
      faults.append("an svg without a label")
    default: break
    }
    open.append((name, attributes))
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    open.removeLast()
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) {
    switch open.last?.name {
    case "script": script += string
    case "style": style += string
    default: text += string
    }
  }

  func parser(_ parser: XMLParser, foundCDATA block: Data) {
    if open.last?.name == "script" { script += String(decoding: block, as: UTF8.self) }
  }
}

/// Checks what all pages have in common: well-formed, nothing from elsewhere, a script that the policy names and nothing needs, and what people need who don't see it.
func requireWellMade(_ html: [UInt8]) throws {
  let elements = try PageElements(html)
  let text = String(decoding: html, as: UTF8.self)
  #expect(text.hasPrefix("<!DOCTYPE html>\n<html lang=\"en\""))
  #expect(elements.faults.isEmpty)
  for (name, count) in [("title", 1), ("h1", 1), ("main", 1), ("style", 1), ("script", 1)] {
    // Titles are elements of charts, too.
    let found = elements.names.count { $0 == name }
    #expect(name == "title" ? found >= count : found == count, "\(name)")
  }
  // Nothing is loaded, and nothing but the one script acts.
  for name in ["link", "img", "iframe", "object", "embed", "form", "base", "audio", "video"] {
    #expect(!elements.names.contains(name), "\(name)")
  }
  #expect(elements.references.allSatisfy { $0.hasPrefix("#") })
  #expect(!elements.attributes.contains { $0.contains(" on") || $0.hasSuffix(" style") })
  for part in ["url(", "@import", "://"] {
    #expect(!elements.style.contains(part) && !elements.script.contains(part), "\(part)")
  }
  for part in ["fetch", "XMLHttpRequest", "innerHTML", "eval", "import(", "document.write"] {
    #expect(!elements.script.contains(part), "\(part)")
  }
  for (kind, name) in [("style-src", "style"), ("script-src", "script")] {
    let start = try #require(text.range(of: "<\(name)>")).upperBound
    let end = try #require(text.range(of: "</\(name)>")).lowerBound
    let digest = Data(Digest(of: Array(text[start..<end].utf8)).bytes).base64EncodedString()
    #expect(elements.policy.contains("\(kind) 'sha256-\(digest)'"))
  }
  #expect(elements.policy.hasPrefix("default-src 'none'; "))
  #expect(!elements.policy.contains("unsafe"))
  // Every reference has its target, and no two elements share an id.
  let targets = Set(elements.references.map { String($0.dropFirst()) })
  #expect(targets.subtracting(elements.ids).isEmpty)
  #expect(Set(elements.ids).count == elements.ids.count)
  // What the script adds isn't there before; what there is to read doesn't wait for it.
  for name in ["button", "input", "select", "noscript"] {
    #expect(!elements.names.contains(name), "\(name)")
  }
  #expect(elements.script.contains("aria-sort") && elements.script.contains("beforeprint"))
  #expect(!elements.attributes.contains { $0.hasSuffix(" hidden") })
}

extension Array where Element: Equatable {
  /// Whether another array stands somewhere in this.
  func contains(subsequence: [Element]) -> Bool {
    indices.contains { self[$0...].starts(with: subsequence) }
  }
}
