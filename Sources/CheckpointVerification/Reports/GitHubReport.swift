import TensorModel

/// What GitHub's runner makes annotations of: `::error file=…,title=…::message`.
///
/// It keeps ten of each kind a step and drops the others without a word, so the worst come first and the rest is counted. Lines for people
/// stand around them; the whole list is in the summary of the step, `GitHubSummary`.
enum GitHubReport {
  static let beginning = "weighbridge verify "

  /// What a step keeps of each kind.
  private static let maximumCount = 10

  private struct Annotation {
    let kind: String
    let file: String
    let title: String
    let message: String

    /// The command; escaped as the runner's own library does it.
    var line: String {
      let properties = [("file", file), ("title", title)]
        .map { "\($0)=\(Self.escaped($1, alsoIn: [":": "%3A", ",": "%2C"]))" }
      return "::\(kind) \(properties.joined(separator: ","))::\(Self.escaped(message, alsoIn: [:]))"
    }

    private static func escaped(
      _ text: String, alsoIn others: [Unicode.Scalar: String]
    ) -> String {
      var result = ""
      for scalar in inert(printable(text)).unicodeScalars {
        switch scalar {
        case "%": result += "%25"
        case "\r": result += "%0D"
        case "\n": result += "%0A"
        default:
          if let code = others[scalar] {
            result += code
          } else {
            result.unicodeScalars.append(scalar)
          }
        }
      }
      return result
    }
  }

  static func bytes(_ report: VerificationReport, _ describe: FindingDescription) -> [UInt8] {
    var text = inert("\(beginning)\(printable(report.location.path(of: nil)))\n")
    for check in report.checks { text += inert(TextReport.line(check)) + "\n" }
    let all = annotations(report, describe)
    for kind in ["error", "warning", "notice"] {
      let some = all.filter { $0.kind == kind }
      for annotation in some.prefix(maximumCount) { text += annotation.line + "\n" }
      if some.count > maximumCount {
        text +=
          "and \(counted(some.count - maximumCount, "more \(kind)")), which GitHub wouldn't keep: see the summary of the step\n"
      }
    }
    text += inert(report.error.map { "error: \($0)" } ?? TextReport.verdict(report)) + "\n"
    return Array(text.utf8)
  }

  private static func annotations(
    _ report: VerificationReport, _ describe: FindingDescription
  ) -> [Annotation] {
    let location = report.location
    if let error = report.error {
      return [
        Annotation(
          kind: "error", file: location.path(of: nil), title: "the checks couldn't run [not-run]",
          message: error.summary)
      ]
    }
    // What is blocked, something else that stands here has blocked.
    let skipped = report.incomplete.filter { $0.reason != .blocked }.map { check in
      Annotation(
        kind: "notice", file: location.path(of: nil),
        title: "\(check.name.rawValue) is not checked [not-run]",
        message: check.detail)
    }
    return skipped
      + report.worstFirst.map { finding in
        let kind =
          switch finding.severity {
          case .note: "notice"
          case .warning: "warning"
          case .error: "error"
          }
        return Annotation(
          kind: kind, file: location.path(of: finding.file),
          title: "\(FindingText(finding.check, describe).title) [\(finding.check)]",
          message: finding.reportedMessage)
      }
  }
}
