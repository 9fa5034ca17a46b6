import TensorModel

/// GitLab's Code Quality: a list of issues, each with a fingerprint of its own.
enum GitLabReport {
  static let beginnings = ["[\n  {\n    \"check_name\" : ", "[\n\n]\n"]

  private struct Issue: Encodable {
    struct Location: Encodable {
      struct Lines: Encodable { var begin = 1 }
      let path: String
      var lines = Lines()
    }

    let description: String
    let checkName: String
    let fingerprint: String
    let severity: String
    let location: Location
  }

  static func bytes(_ report: VerificationReport) throws(CheckpointError) -> [UInt8] {
    let findings = report.worstFirst
    let prints = Fingerprints.all(findings, report.location)
    var issues = zip(findings, prints).map { finding, print in
      Issue(
        description: finding.reportedMessage, checkName: finding.check, fingerprint: print,
        severity: severity(finding.severity),
        location: Issue.Location(path: report.location.path(of: finding.file)))
    }
    if let error = report.error {
      let finding = Finding("not-run", error)
      issues.append(
        Issue(
          description: "the checks couldn't run: \(finding.reportedMessage)",
          checkName: finding.check,
          fingerprint: Fingerprints.all([finding], report.location).joined(), severity: "blocker",
          location: Issue.Location(path: report.location.path(of: nil))))
    }
    return try ReportJSON.bytes(issues, snakeCase: true)
  }

  private static func severity(_ severity: Finding.Severity) -> String {
    switch severity {
    case .note: "info"
    case .warning: "minor"
    case .error: "critical"
    }
  }
}
