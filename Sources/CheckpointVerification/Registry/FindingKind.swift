public import TensorModel

/// What all findings of one id have in common.
public struct FindingKind: Sendable, Hashable, Codable {
  /// What findings are called by: lower-case words with hyphens between them.
  ///
  /// It never changes.
  public let id: String
  /// The check that reports them, as `VerificationReport.Name` calls it, or another name for what no check of `verify` reports.
  public let group: String
  /// How much they matter as a rule; one finding may matter less or more.
  public let severity: Finding.Severity
  /// A phrase.
  public let title: String
  /// A few sentences: what it means, what makes it, and what to do.
  public let help: String

  init(
    _ id: String, _ group: String, _ severity: Finding.Severity, _ title: String, _ help: String
  ) {
    self.id = id
    self.group = group
    self.severity = severity
    self.title = title
    self.help = help
  }
}
