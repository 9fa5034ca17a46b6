public import TensorModel

/// Which checks run, and what must have been checked in the end.
public struct CheckSelection: Hashable, Sendable, Codable {
  /// The only ones that run; nil runs all.
  public var only: Set<VerificationReport.Name>?
  /// Those that don't.
  public var skipped: Set<VerificationReport.Name> = []
  /// Those that must pass.
  public var required: Set<VerificationReport.Name> = []
  /// Whether nothing runs after a check that failed.
  public var stopsAtFailure = false
  /// The least severity that makes the checkpoint fail.
  public var failureLevel = Finding.Severity.error
  /// Whether it fails where not all was checked.
  public var wantsAll = false

  /// All checks.
  public init() {}

  /// What must hold before a derivation is signed.
  public static var derivation: CheckSelection {
    var selection = CheckSelection()
    selection.only = [.structure, .store, .contents, .certificate, .derivation]
    selection.required = [.structure, .contents, .certificate, .derivation]
    return selection
  }

  /// Whether a check runs.
  public func runs(_ name: VerificationReport.Name) -> Bool {
    !skipped.contains(name) && only?.contains(name) ?? true
  }

  /// Whether a check is named, so that it is said where there is nothing for it.
  func names(_ name: VerificationReport.Name) -> Bool {
    required.contains(name) || runs(name) && only?.contains(name) == true
  }

  /// Says of a report what was asked for and not checked, and sums it up.
  func conclude(_ report: inout VerificationReport) {
    // Only stores have it otherwise.
    if names(.store), !report.checks.contains(where: { $0.name == .store }) {
      report.skip(.store, runs(.store) ? .absent : .notAsked, "the checkpoint isn't a store")
    }
    report.sortChecks()
    for check in report.checks where required.contains(check.name) && check.status == .skipped {
      report.findings.append(
        Finding(
          .error, "not-checked",
          "'\(check.name.rawValue)' must pass, and was skipped: \(check.detail)"))
    }
    if let only, let named = nothingRan(report, only) { report.findings.append(named) }
    let others = report.incomplete.filter { !required.contains($0.name) }
    if wantsAll, !others.isEmpty {
      report.findings.append(
        Finding(.error, "not-complete", "some checks were skipped: \(Self.text(others))"))
    }
    report.verdict =
      report.hasFindings(failureLevel) ? .failed : report.isComplete ? .ok : .notComplete
  }

  /// What is said where every check that was named was skipped: nothing was looked at.
  private func nothingRan(
    _ report: VerificationReport, _ only: Set<VerificationReport.Name>
  ) -> Finding? {
    let named = report.checks.filter { only.contains($0.name) && runs($0.name) }
    let isSaid = named.contains { required.contains($0.name) }
    guard !isSaid, !named.isEmpty, named.allSatisfy({ $0.status == .skipped }) else { return nil }
    return Finding(
      .error, "not-checked", "all that --checks names was skipped: \(Self.text(named))")
  }

  private static func text(_ skipped: [VerificationReport.Check]) -> String {
    skipped.map { "'\($0.name.rawValue)' (\($0.detail))" }.joined(separator: ", ")
  }
}
