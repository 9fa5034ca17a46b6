import CheckpointConversion
import TensorModel

/// Static Analysis Results Interchange Format 2.1.0 (OASIS, errata 01), as much of it as GitHub's code scanning reads.
///
/// GitHub refuses more than 25,000 results and keeps 5,000 of them; so the worst come first, and the last says how many there are besides.
enum SARIFReport {
  static let beginning = "{\n  \"$schema\" : \"\(schema)\""
  private static let schema =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

  /// What GitHub keeps of a run's results.
  private static let maximumResultCount = 5000

  static func bytes(
    _ report: VerificationReport, _ describe: FindingDescription
  ) throws(CheckpointError) -> [UInt8] {
    let findings = report.worstFirst
    let prints = Fingerprints.all(findings, report.location)
    let isCut = findings.count > maximumResultCount
    let shown = findings.prefix(isCut ? maximumResultCount - 1 : maximumResultCount)
    var rules: [Rule] = []
    var indexes: [String: Int] = [:]
    func rule(_ finding: Finding) -> Int {
      if let index = indexes[finding.check] { return index }
      indexes[finding.check] = rules.count
      rules.append(Rule(finding, FindingText(finding.check, describe)))
      return rules.count - 1
    }
    var results = zip(shown, prints).map { finding, print in
      Result(finding, rule(finding), finding.reportedMessage, print, report.location)
    }
    if isCut {
      let first = findings[shown.count]
      let message =
        "\(counted(findings.count - shown.count, "more finding")), of which this is the first: all are in --report json"
      results.append(
        Result(first, rule(first), message, prints[shown.count], report.location))
    }
    let cut = isCut ? [cutNotification(findings.count, shown.count)] : []
    let invocation = Invocation(
      executionSuccessful: report.error == nil,
      toolExecutionNotifications: notifications(report) + cut)
    let run = Run(
      tool: Tool(driver: Tool.Driver(rules: rules)), invocations: [invocation], results: results)
    return try ReportJSON.bytes(Log(runs: [run]), snakeCase: false)
  }

  /// That there are more findings than results, whatever a reader makes of the last of them.
  private static func cutNotification(_ count: Int, _ shownCount: Int) -> Notification {
    Notification(
      level: "warning",
      message: Message(
        "\(count - shownCount) of \(count) findings are no results of their own, as \(maximumResultCount) results are kept: all are in --report json"
      ),
      descriptor: Notification.Descriptor(id: "results-cut"))
  }

  /// What kept the checks from running, and which of them were skipped.
  private static func notifications(_ report: VerificationReport) -> [Notification] {
    if let error = report.error {
      return [
        Notification(
          level: "error", message: Message(error.summary),
          descriptor: Notification.Descriptor(id: "not-run"))
      ]
    }
    let missed = Set(report.incomplete.map(\.name))
    return report.checks.filter { $0.status == .skipped }.map { check in
      let reason = check.reason.map { " (\($0.rawValue))" } ?? ""
      return Notification(
        level: missed.contains(check.name) ? "warning" : "note",
        message: Message("\(check.name.rawValue) skipped\(reason): \(check.detail)"),
        descriptor: Notification.Descriptor(id: check.name.rawValue))
    }
  }

  // MARK: The format

  private struct Log: Encodable {
    enum CodingKeys: String, CodingKey {
      case schema = "$schema"
      case version, runs
    }
    var schema = SARIFReport.schema
    var version = "2.1.0"
    let runs: [Run]
  }

  private struct Run: Encodable {
    let tool: Tool
    let invocations: [Invocation]
    let results: [Result]
  }

  private struct Tool: Encodable {
    struct Driver: Encodable {
      var name = Certificate.Tool.current.name
      var version = Certificate.Tool.current.version
      let rules: [Rule]
    }
    let driver: Driver
  }

  /// A text in which `[…](…)` is no link and `{0}` no place for an argument.
  private struct Message: Encodable {
    let text: String

    init(_ text: String) {
      self.text = printable(text)
        .replacing("[", with: "\\[").replacing("]", with: "\\]")
        .replacing(/\{([0-9]+)\}/) { "{{\($0.1)}}" }
    }
  }

  private struct Text: Encodable { let text: String }

  private struct Rule: Encodable {
    struct Configuration: Encodable { let level: String }

    let id: String
    let shortDescription: Text
    let help: Text
    let defaultConfiguration: Configuration

    init(_ finding: Finding, _ text: FindingText) {
      id = finding.check
      shortDescription = Text(text: text.title)
      help = Text(text: text.help)
      defaultConfiguration = Configuration(level: finding.severity.rawValue)
    }
  }

  private struct Result: Encodable {
    struct Location: Encodable {
      struct Physical: Encodable {
        struct Artifact: Encodable { let uri: String }
        /// Weights have no lines, and GitHub wants one.
        struct Region: Encodable { var startLine = 1 }
        let artifactLocation: Artifact
        var region = Region()
      }
      struct Logical: Encodable { let fullyQualifiedName: String }
      let physicalLocation: Physical
      let logicalLocations: [Logical]?
    }
    struct Prints: Encodable {
      enum CodingKeys: String, CodingKey { case finding = "weighbridge/v1" }
      let finding: String
    }

    let ruleId: String
    let ruleIndex: Int
    let level: String
    let message: Message
    let locations: [Location]
    let partialFingerprints: Prints

    init(
      _ finding: Finding, _ rule: Int, _ message: String, _ print: String,
      _ location: ReportLocation
    ) {
      ruleId = finding.check
      ruleIndex = rule
      level = finding.severity.rawValue
      self.message = Message(message)
      let artifact = Location.Physical.Artifact(uri: location.uri(of: finding.file))
      let logical = finding.tensor.map {
        Location.Logical(fullyQualifiedName: printable(clipped($0, to: shownNameLength)))
      }
      locations = [
        Location(
          physicalLocation: Location.Physical(artifactLocation: artifact),
          logicalLocations: logical.map { [$0] })
      ]
      partialFingerprints = Prints(finding: print)
    }
  }

  private struct Invocation: Encodable {
    let executionSuccessful: Bool
    let toolExecutionNotifications: [Notification]
  }

  private struct Notification: Encodable {
    struct Descriptor: Encodable { let id: String }
    let level: String
    let message: Message
    let descriptor: Descriptor
  }
}
