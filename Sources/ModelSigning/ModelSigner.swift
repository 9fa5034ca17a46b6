public import FileContainers
public import TensorModel

/// Signs the files of a model's folder, or a derivation of them.
public struct ModelSigner: Sendable {
  /// What became of it.
  public struct Result: Sendable {
    /// Where the signature is.
    public let signature: String
    /// The name that the model has in it.
    public let model: String
    /// How many files were signed.
    public let fileCount: Int
    /// How large they are together.
    public let byteCount: Int
    /// Files that no signature protects, because Git's own files are left out.
    public let unsigned: [String]
  }

  private let model: String
  private let signature: String
  private let isFile: Bool
  /// The files as they were before anything was read of them.
  private let seen: SeenFiles

  /// The name by which a signature is found in a model's folder.
  public static let signatureName = "model.sig"

  /// Looks at what is to be signed; of a derivation, before anything is compared with it.
  ///
  /// - Parameters:
  ///   - model: the folder; or a file, of which only derivations are signed.
  ///   - signature: where the signature is to be; nil for `model.sig` in the folder.
  ///   - isDerivation: whether a derivation is to be signed.
  /// - Throws: `usage` for what can't be signed, `conflict` if there is a signature already, `missing` if its folder isn't there.
  public init(
    _ model: String, signature: String? = nil, isDerivation: Bool = false
  ) throws(CheckpointError) {
    guard let kind = FileKind(of: model) else { throw PathObstacle.error(model) }
    isFile = kind == .file
    guard FileKind(of: model) == .directory || isFile && isDerivation else {
      throw CheckpointError(
        .usage, "only a folder can be signed", file: model,
        found: PathObstacle.text(model) ?? "a file",
        hint: "put the file into a folder of its own, and sign that")
    }
    guard
      let place = signature ?? (isFile ? nil : ModelFolder.path(of: Self.signatureName, in: model))
    else {
      throw CheckpointError(
        .usage, "where the signature of a file goes must be said", file: model,
        hint: "name it:", hintLines: [shellCommand("--signature", "\(model).sig")])
    }
    self.model = model
    self.signature = place
    try Self.requireFree(place)
    seen = try SeenFiles(Self.paths(model, isFile: isFile), withChangeTimes: true)
  }

  /// The files that are signed.
  private static func paths(_ model: String, isFile: Bool) throws(CheckpointError) -> [String] {
    if isFile { return [model] }
    return try ModelFolder(model).files.filter { !isIgnored($0) }.map {
      ModelFolder.path(of: $0, in: model)
    }
  }

  private static func isIgnored(_ name: String) -> Bool {
    ModelPredicate.standardIgnoredPaths.contains { RelativePath.isInside(name, $0) }
  }

  private static let kind = SingleOutput.Kind(title: "a signature", beginning: [UInt8(ascii: "{")])

  private static func requireFree(_ signature: String) throws(CheckpointError) {
    guard FileKind(ofEntry: signature) == nil else {
      throw CheckpointError(
        .conflict, "is there already, and isn't replaced", file: signature,
        hint: "name another file with --signature, or move this one away")
    }
    try Directories.requireParent(Directories.split(signature).parent)
    SingleOutput.removeAbandoned(signature, kind)
  }

  /// Signs all files and writes the signature.
  ///
  /// - Parameters:
  ///   - key: the signer's.
  ///   - chain: its certificates; nil to sign with the key alone.
  ///   - derivation: what the model was made of, to be signed with the files; nil signs what OpenSSF Model Signing has.
  ///   - confirm: is called when all files have been read; what it throws ends the work.
  ///   - expecting: told, before, how many bytes are read.
  ///   - progress: told of bytes as they are read; what it throws ends the work.
  /// - Returns: what was signed.
  /// - Throws: `usage` for links, an empty folder and certificates that aren't the key's; `inputOutput`; `noSpace`; `conflict`.
  public func sign(
    with key: SigningKey, _ chain: CertificateChain?, derivation: JSONValue? = nil,
    confirm: () throws(CheckpointError) -> Void = { () throws(CheckpointError) in },
    expecting: (_ byteCount: Int) -> Void = { _ in },
    progress: @Sendable (_ byteCount: Int) throws(CheckpointError) -> Void = {
      (_) throws(CheckpointError) in
    }
  ) throws(CheckpointError) -> Result {
    // Before hours of hashing.
    try chain?.requireSigner(key.publicKey)
    let contents = isFile ? try file(expecting, progress) : try folder(expecting, progress)
    try confirm()
    try seen.confirm(Self.paths(model, isFile: isFile), "and isn't signed")
    let title = Directories.split(Directories.resolved(model)).name
    let statement =
      if let derivation {
        Statement(
          subjects: contents.files.map { .init(name: $0.name, digest: $0.digest) },
          predicateType: Statement.derivationType, predicate: derivation)
      } else {
        ModelPredicate.statement(
          of: title, contents.files, ignoring: contents.signature.map { [$0] } ?? [])
      }
    try write(try key.sign(statement.payload, with: chain))
    return Result(
      signature: signature, model: title, fileCount: contents.files.count,
      byteCount: contents.byteCount, unsigned: contents.unsigned)
  }

  /// What is signed.
  private struct Contents {
    let files: [SignedFiles.File]
    let byteCount: Int
    /// Files that are left out.
    var unsigned: [String] = []
    /// Where the signature will be among them; nil if elsewhere.
    var signature: String?
  }

  private func file(
    _ expecting: (Int) -> Void, _ progress: (Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) -> Contents {
    let byteCount = try Directories.size(of: model).byteCount
    expecting(byteCount)
    let digest = try ModelFolder.digest(model, progress)
    return Contents(
      files: [SignedFiles.File(name: Directories.split(model).name, digest: digest)],
      byteCount: byteCount)
  }

  private func folder(
    _ expecting: (Int) -> Void,
    _ progress: @Sendable (Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) -> Contents {
    let folder = try ModelFolder(model)
    try refuseObstacles(folder)
    let names = folder.files.filter { !Self.isIgnored($0) }
    guard !names.isEmpty else {
      throw CheckpointError(
        .usage, "has no files to sign", file: model, hint: "is it the right folder?")
    }
    var byteCount = 0
    for name in names { byteCount += try Directories.size(of: "\(model)/\(name)").byteCount }
    try refuseKeys(names)
    expecting(byteCount)
    let digests = try folder.digests(of: names, RecordedFileDigests(), progress)
    return Contents(
      files: zip(names, digests).map { SignedFiles.File(name: $0, digest: $1) },
      byteCount: byteCount, unsigned: folder.files.filter(Self.isIgnored),
      signature: folder.relativePath(signature))
  }

  /// A private key would be published with the model, whatever it is called: the signer's own, too, under a second name.
  private func refuseKeys(_ names: [String]) throws(CheckpointError) {
    for name in names {
      let path = ModelFolder.path(of: name, in: model)
      guard try PrivateKeyText.isIn(InputFile(path: path).region) else { continue }
      throw CheckpointError(
        .usage, "a private key lies in the folder that is to be signed", file: path,
        hint: "move it out of the folder: it would be published with the model")
    }
  }

  private func refuseObstacles(_ folder: ModelFolder) throws(CheckpointError) {
    if let link = folder.files.first(where: {
      folder.links.contains(ExactName($0)) && !Self.isIgnored($0)
    }) {
      throw CheckpointError(
        .usage, "is a link, and links aren't signed", file: ModelFolder.path(of: link, in: model),
        hint: "a snapshot in Hugging Face's cache has links only: copy it, and sign the copy:",
        hintLines: [shellCommand("cp -RL", model, "COPY")])
    }
    if let obstacle = folder.obstacles.first(where: { !Self.isIgnored($0.name) }) {
      throw CheckpointError(
        .usage, "can't be signed", file: ModelFolder.path(of: obstacle.name, in: model),
        expected: "a regular file",
        found: obstacle.kind, hint: "move it out of the folder")
    }
  }

  private func write(_ bundle: SignatureBundle) throws(CheckpointError) {
    let output = try SingleOutput(signature, Self.kind, replaces: false, besides: ReadFiles())
    try output.file.write(at: 0, bundle.bytes)
    try output.finish()
  }
}
