public import CheckpointConversion
public import FileContainers
import TensorEvaluation
public import TensorModel

/// What verifying a checkpoint brought up.
public struct VerificationReport: Sendable, Encodable, Hashable {
  /// The schema's name.
  public var schema = "verification/v1"
  /// Who wrote it.
  public var tool = Certificate.Tool.current
  /// The checkpoint's format; nil if it couldn't be told.
  public var format: String?
  /// What was checked.
  public var checks: [Check] = []
  /// What was found, by file and tensor.
  public var findings: [Finding] = []
  /// The number of tensors whose bytes were read.
  public var tensorCount = 0
  /// The number of those bytes.
  public var byteCount = 0
  /// The root of all stored tensors; nil if not all could be read.
  public var root: Digest?

  private enum CodingKeys: String, CodingKey {
    case schema, tool, format, checks, findings, tensorCount, byteCount, root, reason
  }

  /// A report without anything in it.
  public init() {}

  /// Writes what can't be told as null, with the reason.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(schema, forKey: .schema)
    try container.encode(tool, forKey: .tool)
    try container.encode(format, forKey: .format)
    try container.encode(checks, forKey: .checks)
    try container.encode(findings, forKey: .findings)
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
  }

  /// The checks, in the order in which they run.
  public enum Name: String, Sendable, Codable, Hashable {
    /// Containers, headers and indexes: every byte of every file is accounted for.
    case structure
    /// A store's HDF5 structures, link file, assets and certificate against its manifest.
    case store
    /// Names and shapes against the configuration.
    case configuration
    /// Every tensor's bytes can be read, and hold what their dtype allows.
    case contents
    /// Sizes, digests and root against the certificate beside the checkpoint.
    case certificate
    /// Every tensor against another checkpoint.
    case against
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

  mutating func record(
    _ name: Name, _ found: [Finding], _ detail: String, isSkipped: Bool = false
  ) {
    findings += found
    let failed = found.contains { $0.severity == .error }
    let status: Status = failed ? .failed : isSkipped ? .skipped : .passed
    checks.append(Check(name: name, status: status, detail: detail))
  }

  mutating func skip(_ name: Name, _ reason: String) {
    checks.append(Check(name: name, status: .skipped, detail: reason))
  }

  /// Whether there is a finding of that severity or a worse one.
  public func hasFindings(_ severity: Finding.Severity) -> Bool {
    findings.contains { $0.severity >= severity }
  }
}
