import Foundation
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What `verify --report` writes for the programs of pipelines, of names that try to be more than names.
@Suite struct VerificationReportTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  static let formats = ["text", "json", "junit", "sarif", "github", "gitlab"]

  static let names = [
    "a\u{1b}[31m\u{7}red", "b\u{202e}\u{2066}back", "c]]>&<tag a=\"1\">", "::error::forged",
    "\n::add-mask::d", "\r\n \t::stop-commands::e", "f ##[error]g ##[group]",
    "g`code` | [x](1) {0}",
    "h%0A::error::x,title=y", "i\u{fffe}\u{ffff}\u{1}", "<img src=x>", "j\u{2028}::debug::k",
  ]

  /// A checkpoint in whose every tensor a value is NaN.
  private func checkpoint(_ name: String, _ tensors: [String] = names) throws -> String {
    let sample = SafetensorsSample(tensors.map { SampleTensor($0, [1], floats: [.nan]) })
    return try workspace.write(name, sample.fileContents)
  }

  /// Runs it where the workspace is, as a step of a pipeline does.
  private func verify(_ arguments: String..., summary: String? = nil) throws -> Weighbridge.Outcome
  {
    let variable = summary.map { "GITHUB_STEP_SUMMARY='\(workspace.path($0))'" }
    return try Weighbridge.run(
      ["verify"] + arguments,
      shell:
        "export GITHUB_ACTIONS=true \(variable ?? ""); \(variable == nil ? "unset GITHUB_STEP_SUMMARY" : ":")",
      directory: workspace.path)
  }

  private func isPlain(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: scalar == "\n"
      default: true
      }
    }
  }

  @Test func aSummaryIsNoInput() throws {
    let path = try checkpoint("in.safetensors")
    let before = try workspace.contents("in.safetensors")
    let outcome = try verify("in.safetensors", "--report", "github", summary: "in.safetensors")
    #expect(outcome.code == 1 && outcome.errors.contains("can't append to the step's summary"))
    #expect(try workspace.contents("in.safetensors") == before, "\(path)")
  }

  // MARK: All formats

  @Test(arguments: formats) func namesAreDataAndRunsAreEqual(format: String) throws {
    _ = try checkpoint("in.safetensors")
    let first = try verify("in.safetensors", "--report", format)
    #expect(first.code == 1)
    #expect(isPlain(first.text) && isPlain(first.errors))
    #expect(!first.text.contains(workspace.path))
    let found = RunnerCommands.names(in: first.text + "\n" + first.errors)
    if format == "github" {
      #expect(found.count { $0 == "error" } == 10)
      #expect(Set(found).isSubset(of: ["error", "warning", "notice"]))
    } else {
      #expect(found.isEmpty)
    }
    #expect(try verify("in.safetensors", "--report", format).output == first.output)
  }

  @Test(arguments: formats) func aReportInAFileIsTheSame(format: String) throws {
    _ = try checkpoint("in.safetensors")
    let printed = try verify("in.safetensors", "--report", format)
    // The second time it replaces the first.
    for _ in 0..<2 {
      let outcome = try verify("in.safetensors", "--report", "\(format)=report")
      #expect(outcome.code == 1)
      #expect(outcome.text.contains("\nFAILED: "))
      #expect(try workspace.contents("report") == printed.output)
      #expect(workspace.names() == ["in.safetensors", "report"])
    }
  }

  @Test func allAtOnce() throws {
    _ = try checkpoint("in.safetensors")
    let arguments = Self.formats.flatMap { ["--report", "\($0)=r.\($0)"] }
    let outcome = try Weighbridge.run(
      ["verify", "in.safetensors"] + arguments, directory: workspace.path)
    #expect(outcome.code == 1)
    #expect(workspace.names() == ["in.safetensors"] + Self.formats.map { "r.\($0)" }.sorted())
    #expect(try workspace.contents("r.text") == outcome.output)
  }

  @Test(arguments: formats) func reportsAreWrittenWhereTheCheckCannotRun(format: String) throws {
    let outcome = try verify("::error::none##[x]", "--report", "\(format)=report")
    #expect(outcome.code == 2)
    #expect(outcome.text.isEmpty)
    #expect(outcome.errors.hasPrefix("error: ") || outcome.errors.contains("\nhint: "))
    #expect(RunnerCommands.names(in: outcome.errors).isEmpty)
    let report = String(decoding: try workspace.contents("report"), as: UTF8.self)
    #expect(report.contains("not there") || report.contains("no such") || report.contains("none"))
    #expect(RunnerCommands.names(in: report) == (format == "github" ? ["error"] : []))
  }

  @Test func whatWasSkippedIsInEveryReport() throws {
    let file = try workspace.write(
      "in.safetensors",
      SafetensorsSample([SampleTensor("a", [2], floats: [1, 2])]).fileContents)
    for format in Self.formats where format != "gitlab" {
      let outcome = try Weighbridge.run("verify", file, "--skip", "values", "--report", format)
      #expect(outcome.code == 0)
      #expect(outcome.text.contains("values"))
      #expect(outcome.text.contains("not asked for"))
    }
  }

  @Test func namedPlacesMustBeUsable() throws {
    let file = try checkpoint("in.safetensors")
    let other = try workspace.write("other.json", Data("{\"mine\": 1}".utf8))
    for arguments in [
      ["--report", "nonsense"], ["--report", "json="], ["--report", "json", "--report", "text"],
      ["--report", "json", "--json"], ["--report", "json=a", "--report", "text=./a"],
      ["--report", "json=\(workspace.path)/no/such/x"], ["--report", "json=\(other)"],
      ["--report", "json=\(file)"], ["--report", "junit=\(workspace.path)"],
    ] {
      let outcome = try Weighbridge.run(
        ["verify", file] + arguments, directory: workspace.path)
      #expect(outcome.code == 2, "\(arguments)")
      // Options that can't be used together have no report yet; with --json they are an error's document.
      #expect(outcome.text.isEmpty != arguments.contains("--json"))
      #expect(outcome.errors.contains("hint: "))
    }
    #expect(workspace.names() == ["in.safetensors", "other.json"])
    #expect(
      try Weighbridge.run("verify", file, "--json").output
        == Weighbridge.run("verify", file, "--report", "json").output)
  }

  /// It would be a file that the checkpoint's manifest and signature don't have.
  @Test func noReportLiesInWhatItIsAbout() throws {
    let file = try checkpoint("model/in.safetensors")
    try workspace.write("model/sub/x.txt", Data())
    for path in ["model/r.json", "model/sub/r.json", "./model/../model/r.json"] {
      let outcome = try Weighbridge.run(
        ["verify", "model", "--report", "json=\(path)"], directory: workspace.path)
      #expect(outcome.code == 2 && outcome.errors.contains("hint: "), "\(outcome.errors)")
    }
    let inside = try Weighbridge.run(
      ["verify", ".", "--report", "json=r.json"], directory: workspace.path("model"))
    #expect(inside.code == 2)
    #expect(workspace.names(in: "model") == ["in.safetensors", "sub"])
    // Names that begin alike are others; beside a file there is no folder of its own.
    for (checkpoint, path) in [("model", "model.json"), (file, "model/r.json")] {
      let outcome = try Weighbridge.run(
        ["verify", checkpoint, "--report", "json=\(path)"], directory: workspace.path)
      #expect(outcome.code != 2 && workspace.has(path), "\(outcome.errors)")
    }
  }

  // MARK: JUnit

  /// Elements with their attributes, in order.
  private final class Elements: NSObject, XMLParserDelegate {
    var list: [(name: String, attributes: [String: String])] = []

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) { list.append((name, attributes)) }
  }

  private func elements(_ data: Data) throws -> [(name: String, attributes: [String: String])] {
    let elements = Elements()
    let parser = XMLParser(data: data)
    parser.delegate = elements
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    return elements.list
  }

  @Test func junitHasAFailureForEachError() throws {
    _ = try checkpoint("in.safetensors", Self.names + ["a\\u{1b}[31m\\u{7}red"])
    let elements = try elements(verify("in.safetensors", "--report", "junit").output)
    let cases = elements.filter { $0.name == "testcase" }
    let names = cases.map { [$0.attributes["classname"], $0.attributes["name"]] }
    // One name is written as another is shown.
    #expect(Set(names).count == names.count)
    #expect(elements.count { $0.name == "failure" } == Self.names.count + 1)
    let suites = elements.filter { $0.name == "testsuite" }
    #expect(suites.map { $0.attributes["name"] }.prefix(2) == ["structure", "configuration"])
    let values = try #require(suites.first { $0.attributes["name"] == "values" }?.attributes)
    #expect(values["tests"] == "\(Self.names.count + 1)")
    #expect(values["failures"] == values["tests"])
    #expect(elements[0].attributes["failures"] == values["failures"])
    #expect(elements[0].attributes["tests"] == "\(cases.count)")
  }

  @Test func junitFailsByWarningsOnlyIfTheCheckDoes() throws {
    let sample = SafetensorsSample([SampleTensor("mask", "BOOL", [1], Data([2]))])
    let file = try workspace.write("bool.safetensors", sample.fileContents)
    let passed = try Weighbridge.run("verify", file, "--report", "junit")
    #expect(passed.code == 0)
    #expect(try elements(passed.output).count { $0.name == "failure" } == 0)
    #expect(passed.text.contains("<system-out>warning: "))
    let failed = try Weighbridge.run(
      "verify", file, "--report", "junit", "--fail-on", "warning")
    #expect(failed.code == 1)
    #expect(try elements(failed.output).count { $0.name == "failure" } == 1)
    let strict = try Weighbridge.run(
      "verify", file, "--report", "junit", "--skip", "values", "--strict")
    #expect(strict.code == 1)
    #expect(try elements(strict.output).count { $0.name == "failure" } >= 1)
  }

  @Test func junitHasAnErrorWhereTheCheckCannotRun() throws {
    let outcome = try verify("none", "--report", "junit")
    #expect(outcome.code == 2)
    #expect(try elements(outcome.output).count { $0.name == "error" } == 1)
  }

  // MARK: SARIF

  private func sarif(_ arguments: String...) throws -> [String: Any] {
    let outcome = try Weighbridge.run(
      ["verify"] + arguments + ["--report", "sarif"], directory: workspace.path)
    return try #require((outcome.object["runs"] as? [[String: Any]])?.first)
  }

  @Test func sarifPointsToRulesAndFiles() throws {
    _ = try checkpoint("a b/ü:1%.safetensors")
    let run = try sarif("./a b/../a b/ü:1%.safetensors")
    let results = try #require(run["results"] as? [[String: Any]])
    #expect(results.count { $0["ruleId"] as? String == "nan" } == Self.names.count)
    let driver = try #require((run["tool"] as? [String: Any])?["driver"] as? [String: Any])
    let rules = try #require(driver["rules"] as? [[String: Any]])
    #expect(Set(rules.compactMap { $0["id"] as? String }).count == rules.count)
    var prints: Set<String> = []
    for result in results {
      let index = try #require(result["ruleIndex"] as? Int)
      #expect(rules[index]["id"] as? String == result["ruleId"] as? String)
      let location = (result["locations"] as? [[String: Any]])?.first
      let place = location?["physicalLocation"] as? [String: Any]
      let artifact = place?["artifactLocation"] as? [String: Any]
      #expect(artifact?["uri"] as? String == "a%20b/%C3%BC%3A1%25.safetensors")
      let message = (result["message"] as? [String: Any])?["text"] as? String ?? ""
      #expect(isPlain(message) && !message.contains("\n"))
      #expect(!message.contains(/[^\\]\[/) && !message.contains(/(^|[^{])\{0\}/))
      let print = (result["partialFingerprints"] as? [String: String])?.values.first
      prints.insert(try #require(print))
    }
    #expect(prints.count == results.count)
    let invocation = try #require((run["invocations"] as? [[String: Any]])?.first)
    #expect(invocation["executionSuccessful"] as? Bool == true)
  }

  @Test func fingerprintsOutliveOtherFindings() throws {
    func prints(_ names: [String]) throws -> Set<String> {
      _ = try checkpoint("in.safetensors", names)
      let results = try sarif("in.safetensors")["results"] as? [[String: Any]] ?? []
      return Set(
        results.compactMap { ($0["partialFingerprints"] as? [String: String])?.values.first })
    }
    let all = try prints(["a", "b", "c"])
    #expect(all.count == 3)
    #expect(try prints(["a", "c"]).isSubset(of: all))
  }

  @Test func sarifSaysThatTheCheckCouldNotRun() throws {
    let run = try sarif("none")
    let invocation = try #require((run["invocations"] as? [[String: Any]])?.first)
    #expect(invocation["executionSuccessful"] as? Bool == false)
    #expect((run["results"] as? [Any])?.isEmpty == true)
    let notes = invocation["toolExecutionNotifications"] as? [[String: Any]]
    #expect(notes?.first?["level"] as? String == "error")
  }

  @Test func sarifStaysWithinGitHubsLimit() throws {
    _ = try checkpoint("in.safetensors", (0..<5010).map { "t\($0)" })
    let run = try sarif("in.safetensors")
    let results = try #require(run["results"] as? [[String: Any]])
    #expect(results.count == 5000)
    let last = (results.last?["message"] as? [String: Any])?["text"] as? String
    #expect(last?.hasPrefix("11 more findings") == true)
    let invocation = try #require((run["invocations"] as? [[String: Any]])?.first)
    let notes = try #require(invocation["toolExecutionNotifications"] as? [[String: Any]])
    let texts = notes.compactMap { ($0["message"] as? [String: Any])?["text"] as? String }
    #expect(texts.contains { $0.hasPrefix("11 of 5010 findings are no results") }, "\(texts)")
  }

  // MARK: GitHub, GitLab

  #if os(Linux)
    /// What can't be created isn't there to be looked at; its folder is.
    @Test func theHintNamesTheFolder() throws {
      _ = try checkpoint("in.safetensors")
      let outcome = try verify("in.safetensors", "--report", "junit=/sys/kernel/x.xml")
      #expect(outcome.code == 2 && outcome.errors.contains("/sys/kernel/x.xml: can't create"))
      #expect(!outcome.errors.contains("partial"), "\(outcome.errors)")
      if outcome.errors.contains("Permission denied") {
        #expect(outcome.errors.contains("ls -ld /sys/kernel\n"), "\(outcome.errors)")
      }
    }
  #endif

  /// A hyphen is the standard stream, as it is for checkpoints.
  @Test func aHyphenIsStandardOutput() throws {
    _ = try checkpoint("in.safetensors")
    let outcome = try verify("in.safetensors", "--report", "junit=-")
    #expect(outcome.text.hasPrefix("<?xml") && !workspace.has("-"))
    let both = try verify("in.safetensors", "--report", "junit=-", "--report", "json")
    #expect(both.code == 2 && both.errors.contains("standard output"))
  }

  @Test func annotationsOfWhatWasNotRunSaySo() throws {
    _ = try checkpoint("in.safetensors")
    let skipped = try verify("in.safetensors", "--report", "github", "--skip", "contents")
    #expect(skipped.text.contains("title=contents is not checked [not-run]"), "\(skipped.text)")
    let missing = try verify("gone.safetensors", "--report", "github")
    #expect(missing.text.contains("title=the checks couldn't run [not-run]"))
  }

  @Test func gitHubKeepsTenAndCountsTheRest() throws {
    _ = try checkpoint("in, put.safetensors", Self.names + ["x%y:z"])
    try workspace.write("summary.md", Data("before\n".utf8))
    let outcome = try verify("in, put.safetensors", "--report", "github", summary: "summary.md")
    let lines = outcome.text.split(separator: "\n")
    let annotations = lines.filter { $0.hasPrefix("::error") }
    #expect(annotations.count == 10)
    #expect(annotations.allSatisfy { $0.hasPrefix("::error file=in%2C put.safetensors,title=") })
    #expect(lines.contains { $0.hasPrefix("and 3 more errors, ") })
    #expect(lines.last?.hasPrefix("FAILED: 13 errors") == true)
    let summary = String(decoding: try workspace.contents("summary.md"), as: UTF8.self)
    #expect(summary.hasPrefix("before\n\n### weighbridge verify: failed, 13 errors"))
    #expect(isPlain(summary))
    #expect(!summary.contains("`") && !summary.contains("]("))
    #expect(!summary.contains(/<(?!\/?(code|br)>)/))
    // Names can't add cells to a row.
    let rows = summary.split(separator: "\n").filter { $0.hasPrefix("| error") }
    #expect(rows.count == 13)
    #expect(rows.allSatisfy { row in row.count { $0 == "|" } == 5 })
  }

  @Test func aFullSummaryIsLeftAlone() throws {
    _ = try checkpoint("in.safetensors", (0..<500).map { "t\($0)" })
    try workspace.write("summary.md", Data(repeating: 65, count: (1 << 20) - 5000))
    #expect(try verify("in.safetensors", "--report", "github", summary: "summary.md").code == 1)
    let cut = try workspace.contents("summary.md")
    #expect(cut.count <= 1 << 20 && cut.count > (1 << 20) - 1000)
    #expect(String(decoding: cut, as: UTF8.self).contains(/\nand \d+ more findings/))
    try workspace.write("summary.md", Data(repeating: 65, count: 1 << 20))
    let outcome = try verify("in.safetensors", "--report", "github", summary: "summary.md")
    #expect(outcome.errors.contains("no room left"))
    #expect(try workspace.contents("summary.md").count == 1 << 20)
  }

  @Test func gitLabHasAnIssueForEachFinding() throws {
    _ = try checkpoint("m/in.safetensors")
    let outcome = try verify(
      "../\(workspace.path.split(separator: "/").last ?? "")/m", "--report", "gitlab")
    let issues = try #require(
      JSONSerialization.jsonObject(with: outcome.output) as? [[String: Any]])
    #expect(issues.count >= Self.names.count)
    #expect(Set(issues.compactMap { $0["fingerprint"] as? String }).count == issues.count)
    for issue in issues {
      let location = issue["location"] as? [String: Any]
      let path = location?["path"] as? String
      #expect(path?.hasSuffix("/m/in.safetensors") == true)
      #expect(path?.contains("..") == false)
      #expect(
        issue["severity"] as? String
          == (issue["check_name"] as? String == "nan" ? "critical" : "minor"))
    }
  }
}
