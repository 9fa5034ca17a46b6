import TensorModel

/// What is appended to the summary of a step: Markdown, in which names are code and can't be anything else.
public enum GitHubSummary {
  /// Above this, GitHub refuses a step's summary as a whole.
  public static let maximumByteCount = 1 << 20

  /// So many findings are still read by somebody.
  private static let maximumRowCount = 1000

  /// The Markdown.
  ///
  /// - Parameters:
  ///   - report: what was checked and found, or what kept the checks from running.
  ///   - limit: the bytes that there is room for.
  /// - Returns: the text, with as many findings as fit, the worst first; nil if not even the checks do.
  public static func bytes(_ report: VerificationReport, limit: Int) -> [UInt8]? {
    var text = Array("### weighbridge verify: \(title(report))\n\n\(code(report.path))\n".utf8)
    if let error = report.error {
      text += "\n\(plain(error.summary))\n\n\(plain(error.hint ?? error.code.usualHint))\n".utf8
      return text.count <= limit ? text : nil
    }
    text += "\n| check | result | of what |\n|---|---|---|\n".utf8
    for check in report.checks {
      text +=
        "| \(check.name.rawValue) | \(check.status.rawValue) | \(plain(clipped(check.detail, to: longestReportedMessage))) |\n"
        .utf8
    }
    if let root = report.root {
      text += "\n\(counted(report.tensorCount, "tensor")), root \(code("\(root)"))\n".utf8
    }
    let findings = report.worstFirst
    guard !findings.isEmpty else { return text.count <= limit ? text : nil }
    text += "\n| severity | finding | where | what |\n|---|---|---|---|\n".utf8
    let room = limit - rest(1_000_000_000).utf8.count
    guard text.count <= room else { return nil }
    var count = 0
    for finding in findings.prefix(maximumRowCount) {
      let row = Array(row(finding).utf8)
      guard text.count + row.count <= room else { break }
      text += row
      count += 1
    }
    if count < findings.count { text += rest(findings.count - count).utf8 }
    return text
  }

  /// That there is no room for so many more.
  private static func rest(_ count: Int) -> String {
    "\nand \(counted(count, "more finding")), all in <code>&#45;&#45;report json</code>\n"
  }

  private static func title(_ report: VerificationReport) -> String {
    if report.error != nil { return "could not run" }
    let errors = report.findings.count { $0.severity == .error }
    let warnings = report.findings.count { $0.severity == .warning }
    let counts = "\(counted(errors, "error")), \(counted(warnings, "warning"))"
    switch report.verdict {
    case .failed: return "failed, \(counts)"
    case .ok: return warnings > 0 ? "ok, \(counted(warnings, "warning"))" : "ok"
    case .notComplete: return "not complete, \(counts)"
    }
  }

  private static func row(_ finding: Finding) -> String {
    let places = [finding.file, finding.tensor].compactMap { $0 }
      .map { code(clipped($0, to: shownNameLength)) }
    return
      "| \(finding.severity.rawValue) | \(code(finding.check)) | \(places.joined(separator: "<br>")) | \(plain(clipped(finding.message, to: longestReportedMessage))) |\n"
  }

  private static func code(_ text: String) -> String { "<code>\(plain(text))</code>" }

  /// A text in which no character means anything to Markdown or HTML: signs are references, which give the sign and no structure.
  private static func plain(_ text: String) -> String {
    var result = ""
    for scalar in printable(text).unicodeScalars {
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", " ", "-", "/", ",": result.unicodeScalars.append(scalar)
      default:
        if scalar.isASCII {
          result += "&#\(scalar.value);"
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result
  }
}
