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
  /// What can be signed of the derivation, where that was asked for and all agrees.
  public internal(set) var derivation: Derivation?
  /// What kept the checks from running; nil if they ran.
  public private(set) var error: CheckpointError?
  /// Where reports point to.
  let location: ReportLocation
  /// Which findings a check brought up, by their places among all.
  private var places: [Name: [Int]] = [:]

  private enum CodingKeys: String, CodingKey {
    case schema, tool, path, format, checks, complete, findings, verdict, tensorCount, byteCount,
      root, reason, error
  }

  /// A report without anything in it.
  ///
  /// - Parameter path: the checkpoint's, as it was given.
  public init(path: String) {
    self.path = JSONDocument.path(path)
    location = ReportLocation(path, isFile: FileKind(of: path) == .file)
  }

  /// The report of checks that couldn't run.
  ///
  /// - Parameters:
  ///   - path: the checkpoint's, as it was given.
  ///   - error: what kept them from it.
  public init(path: String, _ error: CheckpointError) {
    self.init(path: path)
    self.error = error
    verdict = .notComplete
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
        error != nil
          ? "the checks couldn't run"
          : format == nil
            ? "the format can't be told" : "not every tensor was read: the checks say why",
        forKey: .reason)
    }
    if let error {
      var placeless = error
      (placeless.file, placeless.tensor) = (nil, nil)
      try container.encode(
        Failure(
          code: error.code.rawValue, message: placeless.summary,
          file: error.file.map { location.path(of: $0) }, tensor: error.tensor,
          hint: error.hint ?? error.code.usualHint),
        forKey: .error)
    }
  }

  /// An error, as JSON has it.
  private struct Failure: Encodable {
    let code: String
    let message: String
    let file: String?
    let tensor: String?
    let hint: String
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
    /// Every tensor and file against what the certificate's conversion gives when it is made again from its source.
    case derivation
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
    let found = found.map(location.relative)
    places[name, default: []] += findings.count..<findings.count + found.count
    findings += found
    let failed = found.contains { $0.severity == .error }
    let status: Status = failed ? .failed : skipped == nil ? .passed : .skipped
    checks.append(
      Check(
        name: name, status: status, detail: detail, reason: status == .skipped ? skipped : nil))
  }

  /// Puts the checks into the order of their names' declarations.
  mutating func sortChecks() {
    let order = Dictionary(
      uniqueKeysWithValues: Name.allCases.enumerated().map { ($0.element, $0.offset) })
    checks.sort { (order[$0.name] ?? 0) < (order[$1.name] ?? 0) }
  }

  mutating func skip(_ name: Name, _ reason: Reason, _ detail: String) {
    checks.append(Check(name: name, status: .skipped, detail: detail, reason: reason))
  }

  /// Takes over a check and what was read for it.
  mutating func take(_ other: VerificationReport) {
    checks += other.checks
    for (name, own) in other.places {
      places[name, default: []] += own.map { findings.count + $0 }
    }
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
  public var isComplete: Bool { error == nil && incomplete.isEmpty }

  /// What a check brought up.
  func findings(of name: Name) -> [Finding] {
    (places[name] ?? []).compactMap { findings.indices.contains($0) ? findings[$0] : nil }
  }

  /// What no check brought up, but that one was skipped.
  var otherFindings: [Finding] {
    let taken = Set(places.values.joined())
    return findings.indices.filter { !taken.contains($0) }.map { findings[$0] }
  }

  /// Errors, warnings, notes; each in the order in which they were found.
  var worstFirst: [Finding] {
    Finding.Severity.allCases.reversed().flatMap { severity in
      findings.filter { $0.severity == severity }
    }
  }

  /// Whether there is a finding of that severity or a worse one.
  public func hasFindings(_ severity: Finding.Severity) -> Bool {
    findings.contains { $0.severity >= severity }
  }
}
