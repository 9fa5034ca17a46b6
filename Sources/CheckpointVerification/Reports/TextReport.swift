import TensorModel

/// The report for people: a line for each check, a line for each finding, what came of it all.
enum TextReport {
  static let beginnings = ["\(VerificationReport.Name.structure.rawValue)  ", "error: "]

  static func bytes(_ report: VerificationReport) -> [UInt8] {
    var text = ""
    print(report) { text += $0 + "\n" }
    return Array(inert(text).utf8)
  }

  /// Prints it line by line.
  static func print(_ report: VerificationReport, line: (String) -> Void) {
    if let error = report.error { return line("error: \(error)") }
    for check in report.checks { line(Self.line(check)) }
    for finding in report.findings { line(finding.line) }
    line(verdict(report))
  }

  /// A check's name, what came of it, and of what.
  static func line(_ check: VerificationReport.Check) -> String {
    func column(_ text: String, _ width: Int) -> String {
      text + String(repeating: " ", count: max(1, width - text.count))
    }
    return column(check.name.rawValue, 14) + column(check.status.rawValue, 8)
      + printable(check.detail)
  }

  /// The last line.
  static func verdict(_ report: VerificationReport) -> String {
    let errors = report.findings.count { $0.severity == .error }
    let warnings = report.findings.count { $0.severity == .warning }
    var verdict: String
    switch report.verdict {
    case .failed: verdict = "FAILED: \(counted(errors, "error")), \(counted(warnings, "warning"))"
    case .ok: verdict = warnings > 0 ? "ok, \(counted(warnings, "warning"))" : "ok"
    case .notComplete:
      verdict =
        "not complete: \(report.incomplete.map(\.name.rawValue).joined(separator: ", ")) skipped"
        + (warnings > 0 ? ", \(counted(warnings, "warning"))" : "")
    }
    if let root = report.root {
      verdict +=
        "; \(counted(report.tensorCount, "tensor")), \(humanSize(report.byteCount)); root \(root)"
    }
    return verdict
  }
}
