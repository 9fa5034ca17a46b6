import CheckpointVerification
import Foundation
import ModelSigning
import TensorModel
import TestSupport
import Testing

/// The table of all findings: what the code reports is in it, and what is in it is reported.
@Suite struct FindingKindTests {
  @Test func idsAreUniqueAndWellFormed() {
    let ids = FindingKinds.all.map(\.id)
    #expect(ids == Set(ids).sorted())
    for id in ids {
      #expect(id.wholeMatch(of: /[a-z0-9]+(-[a-z0-9]+)*/) != nil)
      #expect(FindingKinds[id]?.id == id)
    }
  }

  @Test func everyKindSaysWhatItMeans() {
    for kind in FindingKinds.all {
      #expect(kind.title.count >= 8 && !kind.title.hasSuffix("."), "\(kind.id)")
      #expect(kind.help.count >= 30 && kind.help.hasSuffix("."), "\(kind.id)")
      #expect(!kind.help.contains(/\s\s|\n/), "\(kind.id)")
    }
  }

  @Test func everyCheckHasKinds() {
    for name in VerificationReport.Name.allCases {
      #expect(!FindingKinds.kinds(of: name.rawValue).isEmpty, "\(name.rawValue)")
    }
    #expect(FindingKinds.groups.flatMap(FindingKinds.kinds).count == FindingKinds.all.count)
  }

  @Test func theCodeReportsWhatIsInTheTable() throws {
    let reported = try SourceText.reportedIDs()
      .union(SignatureFinding.allCases.map(\.rawValue))
    #expect(reported.count > 100)
    let known = Set(FindingKinds.all.map(\.id))
    #expect(reported.subtracting(known).sorted() == [])
    #expect(known.subtracting(reported).sorted() == [])
  }

  /// `scripts/docs` writes the page from the command's own list.
  @Test func theDocumentationHasAnEntryForEach() throws {
    let page = try String(
      contentsOf: Fixtures.packageRoot.appending(path: "docs/reference/findings.md"),
      encoding: .utf8)
    let head = "| id | group | severity | what it says |\n|---|---|---|---|\n"
    let table = try #require(page.split(separator: head).dropFirst().first)
    let found = table.split(separator: "\n", omittingEmptySubsequences: false)
      .prefix { $0.hasPrefix("|") }.map(String.init)
    let kinds = FindingKinds.groups.flatMap(FindingKinds.kinds)
    let rows = kinds.map {
      "| [`\($0.id)`](#\($0.id)) | \($0.group) | \($0.severity.rawValue) | \($0.title) |"
    }
    #expect(found == rows)
    for kind in kinds {
      let entry = """
        ### \(kind.id)

        **\(kind.title).** Severity: \(kind.severity.rawValue).

        \(kind.help)

        """
      #expect(page.contains(entry), "\(kind.id)")
    }
  }

  // MARK: The command

  @Test func listsAllByGroup() throws {
    let outcome = try Weighbridge.run("checks")
    #expect(outcome.code == 0)
    #expect(outcome.errors.isEmpty)
    let lines = outcome.text.split(separator: "\n")
    #expect(lines.filter { !$0.hasPrefix(" ") }.map(String.init) == FindingKinds.groups)
    #expect(lines.count == FindingKinds.all.count + FindingKinds.groups.count)
    for kind in FindingKinds.all {
      let line = lines.first { $0.hasPrefix("  \(kind.id) ") }
      #expect(line?.contains(" \(kind.severity.rawValue) ") == true)
      #expect(line?.hasSuffix(kind.title) == true)
    }
  }

  @Test(arguments: FindingKinds.groups) func explainsOne(group: String) throws {
    let kind = try #require(FindingKinds.kinds(of: group).last)
    let outcome = try Weighbridge.run("checks", kind.id)
    #expect(outcome.code == 0)
    #expect(outcome.text.hasPrefix("\(kind.id): \(kind.title)\n"))
    let lines = outcome.text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.dropFirst(4).joined(separator: " ").hasPrefix(kind.help))
    #expect(lines.dropFirst(4).allSatisfy { $0.count <= 80 })
  }

  @Test(arguments: [
    ("nam", "'nan'"), ("tensor-mising", "'tensor-missing'"), ("TIED", "'tied-weights'"),
    ("", nil), ("\u{1b}[31m", nil), (String(repeating: "x", count: 9999), nil),
  ])
  func namesTheNearestOfAnUnknownID(id: String, near: String?) throws {
    let outcome = try Weighbridge.run("checks", id)
    #expect(outcome.code == 2)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.hasPrefix("error: no finding has this id, found "))
    #expect(outcome.errors.contains("\nhint: did you mean ") == (near != nil))
    if let near {
      #expect(outcome.errors.split(separator: "hint: ").last?.contains(near) == true)
    }
    #expect(!outcome.errors.contains("\u{1b}"))
  }

  @Test(arguments: [nil, "nan"]) func jsonHasTheSchemasKeys(id: String?) throws {
    let outcome = try Weighbridge.run(["checks", "--json"] + [id].compactMap { $0 })
    #expect(outcome.code == 0)
    let schema = try #require(
      JSONSerialization.jsonObject(
        with: Data(
          contentsOf: Fixtures.packageRoot.appending(path: "schemas/checks.v1.schema.json")))
        as? [String: Any])
    let object = try outcome.object
    #expect(object["schema"] as? String == "checks/v1")
    #expect(Set(object.keys) == Set(schema["required"] as? [String] ?? []))
    let properties = try #require(schema["properties"] as? [String: [String: Any]])
    let item = try #require(properties["checks"]?["items"] as? [String: Any])
    let keys = try Set(#require(item["required"] as? [String]))
    let checks = try #require(object["checks"] as? [[String: String]])
    #expect(checks.allSatisfy { Set($0.keys) == keys })
    let kinds = try id.map { [try #require(FindingKinds[$0])] } ?? FindingKinds.all
    #expect(checks.map { $0["id"] } == kinds.map(\.id))
    #expect(checks.map { $0["group"] } == kinds.map(\.group))
    #expect(checks.map { $0["severity"] } == kinds.map(\.severity.rawValue))
    #expect(checks.map { $0["title"] } == kinds.map(\.title))
    #expect(checks.map { $0["help"] } == kinds.map(\.help))
  }
}

/// The package's own source text, as far as it says which ids findings get.
private enum SourceText {
  /// Ids that stand as literals where a finding gets its id.
  static func reportedIDs() throws -> Set<String> {
    let root = Fixtures.packageRoot.appending(path: "Sources").path
    var ids: Set<String> = []
    for name in try FileManager.default.subpathsOfDirectory(atPath: root)
    where name.hasSuffix(".swift") && !name.contains("/Registry/") {
      let text = try String(contentsOfFile: "\(root)/\(name)", encoding: .utf8)
      // Most files make none, and the rest of this is slow without optimization.
      guard ["Finding(", "ModelProblem(", ".called("].contains(where: text.contains) else {
        continue
      }
      let code = text.split(separator: "\n").filter { !$0.drop { $0 == " " }.hasPrefix("//") }
        .joined(separator: "\n")
      ids.formUnion(self.ids(in: Array(code.utf8)[...]))
    }
    return ids
  }

  /// What makes findings, and errors that become some, with the place of the id among the arguments.
  private static let makers: [(name: String, places: Range<Int>)] = [
    ("Finding(", 0..<2), ("ModelProblem(", 0..<1), (".called(", 0..<1), ("problem(", 0..<1),
    ("drop(", 2..<3), ("Told(", 0..<1), ("broken(", 0..<1),
  ]

  private static func ids(in text: ArraySlice<UInt8>) -> [String] {
    var parts: [ArraySlice<UInt8>] = []
    for (name, places) in makers {
      for start in ends(of: name, in: text) {
        let arguments = arguments(text[start...])
        parts += places.filter(arguments.indices.contains).map { arguments[$0] }
      }
    }
    // `let check = "…"`, and a `switch` that gives one.
    for start in ends(of: "let check =", in: text) {
      let value = text[start...].drop { [UInt8(ascii: " "), UInt8(ascii: "\n")].contains($0) }
      let end = UInt8(ascii: value.starts(with: "switch".utf8) ? "}" : "\n")
      parts.append(value.prefix { $0 != end })
    }
    return parts.flatMap { part in
      String(decoding: part, as: UTF8.self).matches(of: /"([a-z0-9]+(?:-[a-z0-9]+)*)"/)
        .map { String($0.1) }
    }
  }

  private static func ends(of word: String, in text: ArraySlice<UInt8>) -> [Int] {
    text.ranges(of: Array(word.utf8)).map(\.upperBound)
  }

  /// The arguments of a call, from behind its parenthesis.
  private static func arguments(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var arguments: [ArraySlice<UInt8>] = []
    var (start, place, depth) = (text.startIndex, text.startIndex, 0)
    while place < text.endIndex {
      switch text[place] {
      case UInt8(ascii: "\""):
        place = endOfString(text, place + 1)
        continue
      case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
        depth -= 1
        if depth < 0 { return arguments + [text[start..<place]] }
      case UInt8(ascii: ",") where depth == 0:
        arguments.append(text[start..<place])
        start = place + 1
      default: break
      }
      place += 1
    }
    return arguments
  }

  /// The place behind a string literal's last quotation mark; what is interpolated may have literals of its own.
  private static func endOfString(_ text: ArraySlice<UInt8>, _ start: Int) -> Int {
    var place = start
    while place < text.endIndex, text[place] != UInt8(ascii: "\"") {
      guard text[place] == UInt8(ascii: "\\") else {
        place += 1
        continue
      }
      place += 2
      guard text[place - 1] == UInt8(ascii: "(") else { continue }
      var depth = 1
      while place < text.endIndex, depth > 0 {
        switch text[place] {
        case UInt8(ascii: "\""):
          place = endOfString(text, place + 1)
          continue
        case UInt8(ascii: "("): depth += 1
        case UInt8(ascii: ")"): depth -= 1
        default: break
        }
        place += 1
      }
    }
    return place + 1
  }
}
