public import FileContainers
public import TensorModel

/// A model's files against a signature: who signed them, and whether they are what was signed, all of them and no others.
public struct SignatureCheck: Sendable {
  /// What the check found.
  public struct Outcome: Sendable {
    /// What is wrong, and notes.
    public let findings: [Finding]
    /// A text that says what was checked.
    public let detail: String
    /// What was signed, for checks of what else it says; nil unless the signature is verified.
    public let statement: Statement?
  }

  private let model: String
  private let signature: String
  /// Whether the user named it.
  private let isNamed: Bool
  private let trust: SignatureTrust
  private let ignoredPaths: [String]
  private let ignoresUnsignedFiles: Bool

  /// Files of this project that a derivation's statement holds as a whole.
  private static let derivationRecords: Set<ExactName> = ["weighbridge-certificate.json"]

  /// A check.
  ///
  /// - Parameters:
  ///   - model: the folder or, for old signatures, the file.
  ///   - signature: the signature file; nil for `model.sig` in the folder.
  ///   - trust: whose signature it must be.
  ///   - ignoredPaths: paths in the folder that aren't looked at, besides those that the signer left out.
  ///   - ignoresUnsignedFiles: files that weren't signed are fine.
  /// - Throws: `usage` for ignored paths that lead out of the folder, or a file whose signature isn't named.
  public init(
    _ model: String, signature: String?, trust: SignatureTrust, ignoredPaths: [String] = [],
    ignoresUnsignedFiles: Bool = false
  ) throws(CheckpointError) {
    self.model = model
    guard signature != nil || FileKind(of: model) == .directory else {
      throw CheckpointError(
        .usage, "this isn't a folder: where its signature is must be said", file: model,
        hint: "name it with --signature")
    }
    self.signature = signature ?? ModelFolder.path(of: ModelSigner.signatureName, in: model)
    self.trust = trust
    self.ignoresUnsignedFiles = ignoresUnsignedFiles
    var paths: [String] = []
    for path in ignoredPaths {
      let trimmed = path.utf8.last == UInt8(ascii: "/") ? String(path.dropLast()) : path
      guard RelativePath.isUsable(trimmed) else {
        throw CheckpointError(
          .usage, "the path can't be ignored", file: path,
          expected: "a path in the model's folder, without '.' and '..'",
          hint: "write it as it follows the folder's name: 'logs' for MODEL/logs")
      }
      paths.append(trimmed)
    }
    self.ignoredPaths = paths
    isNamed = signature != nil
  }

  /// Verifies the signature, and compares the files.
  ///
  /// - Parameters:
  ///   - known: digests of files that needn't be read.
  ///   - expecting: told, before, how many bytes are read.
  ///   - progress: told of bytes as they are read; what it throws ends the work.
  /// - Returns: what was found.
  /// - Throws: `missing` for a signature that was named and isn't there, `inputOutput`, and what `progress` throws.
  public func run(
    known: RecordedFileDigests = RecordedFileDigests(),
    expecting: (_ byteCount: Int) -> Void = { _ in },
    progress: @Sendable (_ byteCount: Int) throws(CheckpointError) -> Void = {
      (_) throws(CheckpointError) in
    }
  ) throws(CheckpointError) -> Outcome {
    let name = Directories.split(signature).name
    if !isNamed && !fileExists(signature) {
      let message = "a signature is asked for, and there is no \(name)"
      return refusal(SignatureFinding.missing.finding(message, file: name))
    }
    let file = try InputFile(path: signature)
    guard file.byteCount <= SignatureBundle.maximumByteCount else {
      let message = "too large for a signature, with \(file.byteCount) bytes"
      return refusal(SignatureFinding.format.finding(message, file: name))
    }
    let verification = try verification(file, name)
    guard let statement = verification.statement else {
      return Outcome(
        findings: verification.findings, detail: "the signature is refused", statement: nil)
    }
    let signed: SignedFiles
    do throws(SignatureRefusal) { signed = try signedFiles(statement) } catch {
      return refusal(error.kind.finding(error.message, file: name), verification.findings)
    }
    let comparison = try FileComparison(
      model, signature: signature, signed, ignoring: ignoredPaths,
      ignoresUnsignedFiles: ignoresUnsignedFiles, known, expecting, progress)
    let signer = verification.signer.map { "signed by \($0)" } ?? "not verified"
    return Outcome(
      findings: verification.findings + comparison.findings,
      detail: "\(signer); \(comparison.detail)",
      statement: verification.isVerified ? statement : nil)
  }

  private func verification(
    _ file: InputFile, _ name: String
  ) throws(CheckpointError) -> SignatureVerification {
    SignatureVerification(
      try file.region.bytes(at: 0, count: file.byteCount), name: name, trust: trust)
  }

  /// What the check would read: files of the folder whose digests are signed, whoever signed, and whether that is a derivation.
  ///
  /// - Returns: open files; none where the signature can't be used, or is of a single file.
  /// - Throws: `inputOutput`.
  public func readFiles() throws(CheckpointError) -> (files: [InputFile], isOfDerivation: Bool) {
    guard fileExists(signature), FileKind(of: model) == .directory else { return ([], false) }
    let file = try InputFile(path: signature)
    guard file.byteCount <= SignatureBundle.maximumByteCount,
      let statement = try verification(file, Directories.split(signature).name).statement
    else { return ([], false) }
    let isOfDerivation = statement.predicateType == Statement.derivationType
    let signed: SignedFiles
    do throws(SignatureRefusal) { signed = try signedFiles(statement) } catch {
      return ([], isOfDerivation)
    }
    let folder = try ModelFolder(model)
    let present = Set(folder.files.map { ExactName($0) })
    var files: [InputFile] = []
    for name in signed.files.map(\.name) where present.contains(ExactName(name)) {
      files.append(try InputFile(path: "\(folder.path)/\(name)"))
    }
    return (files, isOfDerivation)
  }

  private func refusal(_ finding: Finding, _ others: [Finding] = []) -> Outcome {
    Outcome(findings: others + [finding], detail: "the signature is refused", statement: nil)
  }

  /// The files that a statement is about.
  private func signedFiles(_ statement: Statement) throws(SignatureRefusal) -> SignedFiles {
    if ModelPredicate.isType(statement.predicateType) {
      return try ModelPredicate.files(statement)
    }
    guard statement.predicateType == Statement.derivationType else {
      throw SignatureRefusal(
        .predicate,
        "signs no model: the statement's kind is '\(statement.predicateType)', not \(ModelPredicate.typePrefix)0"
      )
    }
    var files: [SignedFiles.File] = []
    for subject in statement.subjects {
      guard let name = subject.name, let digest = subject.digest else {
        throw SignatureRefusal(.format, "a subject of the derivation has no name or no sha256")
      }
      files.append(.init(name: name, digest: digest))
    }
    try files.requireUsableNames()
    return SignedFiles(files: files, ignoredPaths: [], exempt: Self.derivationRecords)
  }
}
