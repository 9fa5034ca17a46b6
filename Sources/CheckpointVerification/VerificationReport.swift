public import CheckpointConversion
public import FileContainers
import TensorEvaluation
public import TensorModel

/// What verifying a checkpoint brought up.
public struct VerificationReport: Sendable, Encodable, Hashable {
  /// The schema's name.
  public var schema = "verification/v2"
  /// Who wrote it.
  public var tool = Certificate.Tool.current
  /// The checkpoint: as it was given if that is relative, else the path's last component.
  public let path: String
  /// The checkpoint's format; nil if it couldn't be told.
  public var format: String?
  /// What was checked.
  public var checks: [Check] = []
  /// What was found, by file and tensor.
  public var findings: [Finding] = []
  /// What came of it all.
  public var verdict = Verdict.ok
  /// The number of tensors whose bytes were read.
  public var tensorCount = 0
  /// The number of those bytes.
  public var byteCount = 0
  /// The root of all stored tensors; nil if not all were read.
  public var root: Digest?

  private enum CodingKeys: String, CodingKey {
    case schema, tool, path, format, checks, complete, findings, verdict, tensorCount, byteCount,
      root, reason
  }

  /// A report without anything in it.
  ///
  /// - Parameter path: the checkpoint's, as it was given.
  public init(path: String) {
    self.path = path.hasPrefix("/") ? Directories.split(path).name : path
  }

  /// Writes what can't be told as null, with the reason.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(schema, forKey: .schema)
    try container.encode(tool, forKey: .tool)
    try container.encode(path, forKey: .path)
    try container.encode(format, forKey: .format)
    try container.encode(checks, forKey: .checks)
    try container.encode(isComplete, forKey: .complete)
    try container.encode(findings, forKey: .findings)
    try container.encode(verdict, forKey: .verdict)
    try container.encode(tensorCount, forKey: .tensorCount)
    try container.encode(byteCount, forKey: .byteCount)
    try container.encode(root, forKey: .root)
    if root == nil {
      try container.encode(
        format == nil
          ? "the format can't be told" : "not every tensor was read: the checks say why",
        forKey: .reason)
    }
  }

  /// One kind of check.
  public struct Check: Sendable, Codable, Hashable {
    /// Its name.
    public let name: Name
    /// What came of it.
    public let status: Status
    /// A sentence: what was compared with what, or why it was skipped.
    public let detail: String
    /// What kept it from running; nil if it ran.
    public let reason: Reason?
  }

  /// The checks, in the order in which they run.
  public enum Name: String, Sendable, Codable, Hashable, CaseIterable {
    /// Containers, headers and indexes: every byte of every file is accounted for.
    case structure
    /// A store's HDF5 structures, link file, assets and certificate against its manifest.
    case store
    /// Names and shapes against the configuration.
    case configuration
    /// Every tensor's bytes can be read, and hold what their dtype allows.
    case contents
    /// Values that no weights should have: NaN, infinities, nothing but zeros, the same twice.
    case values
    /// Files of a download cache against the digests that are their names.
    case cache
    /// Sizes, digests and root against the certificate beside the checkpoint.
    case certificate
    /// Every file against the list of digests beside them.
    case digests
    /// Every file against a signature of people who are trusted.
    case signature
    /// Every tensor against another checkpoint, or a manifest.
    case against

    /// Whether a checkpoint isn't wholly checked without it.
    var isEssential: Bool { [.structure, .configuration, .contents, .values].contains(self) }
  }

  /// What came of a check.
  public enum Status: String, Sendable, Codable, Hashable {
    /// Nothing wrong.
    case passed
    /// Something is wrong: see the findings.
    case failed
    /// Not run.
    case skipped
  }

  /// What keeps a check from running.
  public enum Reason: String, Sendable, Codable, Hashable {
    /// There is nothing to compare with.
    case absent
    /// There is something that can't be checked here.
    case unsupported
    /// Something that failed before.
    case blocked
    /// Nobody wanted it.
    case notAsked = "not_asked"
  }

  /// What came of all checks.
  public enum Verdict: String, Sendable, Codable, Hashable {
    /// Nothing is wrong, as far as that was asked.
    case ok
    /// Something is.
    case failed
    /// Nothing was found wrong, and not all was looked at.
    case notComplete = "not complete"
  }

  mutating func record(_ name: Name, _ found: [Finding], _ detail: String, _ skipped: Reason? = nil)
  {
    findings += found
    let failed = found.contains { $0.severity == .error }
    let status: Status = failed ? .failed : skipped == nil ? .passed : .skipped
    checks.append(
      Check(
        name: name, status: status, detail: detail, reason: status == .skipped ? skipped : nil))
  }

  mutating func skip(_ name: Name, _ reason: Reason, _ detail: String) {
    checks.append(Check(name: name, status: .skipped, detail: detail, reason: reason))
  }

  /// Takes over a check and what was read for it.
  mutating func take(_ other: VerificationReport) {
    checks += other.checks
    findings += other.findings
    (tensorCount, byteCount, root) = (other.tensorCount, other.byteCount, other.root)
  }

  /// Checks that nobody can rely on: essential ones that were skipped, and others that couldn't be run.
  public var incomplete: [Check] {
    checks.filter {
      $0.status == .skipped
        && ($0.name.isEssential || $0.reason == .unsupported || $0.reason == .blocked)
    }
  }

  /// Whether all was checked that there is to check.
  public var isComplete: Bool { incomplete.isEmpty }

  /// Whether there is a finding of that severity or a worse one.
  public func hasFindings(_ severity: Finding.Severity) -> Bool {
    findings.contains { $0.severity >= severity }
  }
}
