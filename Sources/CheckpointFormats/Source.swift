public import FileContainers
import ModelArchitectures
import Synchronization
public import TensorModel

/// A checkpoint as the user named it: opened, whatever it is, with the files that it was read from.
public struct Source: Sendable {
  /// As the user wrote it.
  public private(set) var path: String
  /// Where it is: the path, or what that leads to.
  public let place: String
  /// What people call it.
  public var title: String { NamedPath.title(of: place) }
  /// Reads its tensors.
  public let reader: any CheckpointReader
  /// Every file that the tensors and the configuration are from, for the certificate and the journal.
  public private(set) var inputs: [Input]

  /// A file that was read.
  public struct Input: Hashable, Sendable {
    /// Relative to the source; `-` for standard input.
    public let name: String
    /// Its size; nil for standard input.
    public let byteCount: Int?
    /// When it was last changed, in nanoseconds since 1970; nil for standard input.
    public let modificationTime: Int?
    /// When its entry in the file system was last changed, likewise.
    public let changeTime: Int?
    /// What the system knows it by; nil for standard input.
    public let identity: FileIdentity?
    /// Where it is; nil for standard input.
    public let path: String?
    /// Whether it is a file of the base.
    public private(set) var isOfBase = false

    /// The same file, of a base.
    fileprivate var ofBase: Input {
      var input = Input(
        name: "\(Source.baseFolder)\(name)", byteCount: byteCount,
        modificationTime: modificationTime,
        changeTime: changeTime, identity: identity, path: path)
      input.isOfBase = true
      return input
    }
  }

  /// What the names of a base's files begin with among the inputs.
  public static let baseFolder = "base/"

  /// What it is read together with, where it is a difference; nil for a complete checkpoint.
  public var base: BaseCheckpoint? { (reader as? any BasedReader)?.base }
  /// What it is to be written as a difference to; nil where it isn't.
  public private(set) var target: BaseCheckpoint?

  /// What is in it, with the files beside the weights.
  public private(set) var checkpoint: Checkpoint
  private let files: PinnedFiles
  private let declaredAttention: AttentionMode?
  private let contents = KeptModel()

  /// What a source is as a model, once it has been found out.
  private final class KeptModel: Sendable {
    let contents = Mutex<ModelContents?>(nil)
  }

  /// Opens a file, a directory, an archive, or an archive on standard input (`-`).
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - options: what opening may need.
  /// - Throws: what the formats throw; `missing`, `inputOutput`, `noSpace` while unpacking.
  public init(_ path: String, _ options: OpenOptions = OpenOptions()) throws(CheckpointError) {
    let named = try NamedPath(path)
    try self.init(at: named, options)
    self.path = path
    checkpoint.findings = named.findings + checkpoint.findings
  }

  private init(at named: NamedPath, _ options: OpenOptions) throws(CheckpointError) {
    let path = named.place
    let files = PinnedFiles(recordedIn: options.readFiles)
    if path == "-" {
      let input = Input(
        name: "-", byteCount: nil, modificationTime: nil, changeTime: nil, identity: nil, path: nil)
      try self.init(
        archive: .standardInput, name: "standard input", path, [input], files, options)
      return
    }
    switch FileKind(of: path) {
    case nil: throw PathObstacle.error(path)
    case .other:
      throw CheckpointError(
        .unsupported, "neither a file nor a folder", file: path, found: PathObstacle.text(path),
        hint: "pass - to read an archive from standard input")
    case .directory:
      let tree = DirectoryTree(path: path, files: files)
      let reader = try Formats.open(tree: tree, index: named.indexName, options)
      var checkpoint = reader.checkpoint
      if !checkpoint.carriesSidecars { try Sidecars.collect(into: &checkpoint, from: tree) }
      var names = checkpoint.files.map(\.name)
      if !checkpoint.carriesSidecars && checkpoint.configuration != nil
        && tree.containsFile("config.json")
      {
        names.append("config.json")
      }
      var inputs: [Input] = []
      for name in names { inputs.append(try Input(name: name, files.open("\(path)/\(name)"))) }
      try self.init(path, reader, checkpoint, inputs, files, options)
    case .file:
      let name = Directories.split(path).name
      let file = try files.open(path)
      let input = Input(name: name, file)
      let head = try file.region.head(ArchiveKind.headByteCount)
      // Zeros begin an empty archive, or the user's block in front of HDF5.
      let isBlank = head.allSatisfy { $0 == 0 }
      let isDataset = try isBlank ? KerasFormat.recognises(file: file.region) : false
      if ArchiveKind(head: head) != nil, !isDataset {
        try self.init(archive: .file(file), name: name, path, [input], files, options)
      } else if let names = try GGUFFormat.parts(
        beside: name, in: Directories.split(path).parent)
      {
        var parts: [(name: String, file: InputFile)] = []
        for name in names {
          parts.append((name, try files.open("\(Directories.split(path).parent)/\(name)")))
        }
        let reader = try GGUFFormat.open(parts: parts.map { ($0.name, $0.file.region) }, options)
        let inputs = parts.map { Input(name: $0.name, $0.file) }
        try self.init(path, reader, reader.checkpoint, inputs, files, options)
      } else {
        let reader = try Formats.open(file: file.region, name: name, options)
        try self.init(path, reader, reader.checkpoint, [input], files, options)
      }
    }
  }

  private init(
    archive: ArchiveSource, name: String, _ path: String, _ inputs: [Input], _ files: PinnedFiles,
    _ options: OpenOptions
  ) throws(CheckpointError) {
    let (members, findings) = try Spool(options).open(archive, name)
    let tree: any FileTree
    let reader: any CheckpointReader
    do throws(CheckpointError) {
      tree = try Formats.unwrapped(members)
      reader = try Formats.open(tree: tree, options)
    } catch {
      // What is wrong with the archive is so whatever lies in it.
      var error = error
      error.others += findings
      throw error
    }
    var checkpoint = reader.checkpoint
    if !checkpoint.carriesSidecars { try Sidecars.collect(into: &checkpoint, from: tree) }
    checkpoint.findings = findings + checkpoint.findings
    if let finding = try Sidecars.records(in: tree) { checkpoint.findings.append(finding) }
    try self.init(path, reader, checkpoint, inputs, files, options)
  }

  private init(
    _ path: String, _ reader: any CheckpointReader, _ checkpoint: Checkpoint, _ inputs: [Input],
    _ files: PinnedFiles, _ options: OpenOptions
  ) throws(CheckpointError) {
    self.files = files
    self.path = path
    place = path
    self.reader = reader
    let base = (reader as? any BasedReader)?.base
    self.inputs = inputs + (base?.source.inputs.map(\.ofBase) ?? [])
    var described = checkpoint
    // These make theirs out of another one.
    let makesConfiguration = reader is MeshTransformerReader || reader is GPTNeoXReader
    if let given = options.configuration {
      let own = described.configuration
      if own == nil || makesConfiguration || options.replacesConfiguration {
        described.configuration = given
        described.configurationError = nil
      }
      if own != nil && !makesConfiguration && options.replacesConfiguration {
        described.findings.append(
          Finding(
            .note, "configuration-replaced",
            "--config is used instead of the checkpoint's own config.json",
            file: HuggingFaceConfiguration.fileName))
      }
    }
    if let directory = options.assetsDirectory {
      try Sidecars.addAssets(of: directory, files, to: &described)
    }
    self.checkpoint = described
    declaredAttention = options.attention
  }

  /// Makes sure that no file that was read has changed since it was opened.
  ///
  /// - Throws: `inputOutput`.
  public func confirm() throws(CheckpointError) {
    try files.confirm()
    try base?.source.confirm()
    try target?.source.confirm()
  }

  /// The same, to be written as a difference: the base is read as well.
  ///
  /// - Parameter target: the base.
  /// - Returns: the source.
  public func differing(from target: BaseCheckpoint) -> Source {
    var other = self
    other.target = target
    let known = Set(inputs.compactMap(\.path))
    other.inputs += target.source.inputs.filter { !known.contains($0.path ?? "") }.map(\.ofBase)
    return other
  }

  /// The digest of a file that was read, as it was opened.
  ///
  /// - Parameters:
  ///   - input: the file.
  ///   - known: digests of files that needn't be read.
  /// - Returns: nil for standard input.
  /// - Throws: `inputOutput`.
  public func digest(
    of input: Input, _ known: RecordedFileDigests = RecordedFileDigests()
  ) throws(CheckpointError) -> Digest? {
    try file(of: input).map { (file) throws(CheckpointError) in try known.digest(of: file) }
  }

  /// A file that was read, as it was opened; nil for standard input.
  ///
  /// - Throws: `inputOutput`.
  public func file(of input: Input) throws(CheckpointError) -> InputFile? {
    try input.path.map { (path) throws(CheckpointError) in try files.open(path) }
  }

  /// What it is as a model; the first call may read buffers and tied weights.
  ///
  /// - Throws: what reading throws; `unsupported` for layouts that can be listed but not mapped, `usage` if the names depend on a configuration that is missing.
  public func model() throws(CheckpointError) -> ModelContents {
    try contents.contents.withLock { known throws(CheckpointError) in
      if let known { return known }
      var settings: Result<[UInt8]?, CheckpointError>
      do throws(CheckpointError) { settings = .success(try huggingFaceConfiguration()) } catch {
        if error.code.isTransient { throw error }
        settings = .failure(error)
      }
      // Files of such formats say enough by themselves for names and shapes.
      if case .failure(let error) = settings, error.code == .usage,
        (reader as? any FamilyReader)?.familyName != nil
      {
        settings = .success(nil)
      }
      let found = try ModelContents(
        reader, settings, beside: checkpoint.assets, declared: declaredAttention)
      known = found
      return found
    }
  }

  /// Lets go of what `model()` has found out, which takes some hundred bytes for each tensor; it is found out again where it is asked for.
  public func forgetModel() { contents.contents.withLock { $0 = nil } }

  /// Whether a source has to be unpacked to a spool before its tensors can be read: a compressed archive, or standard input.
  ///
  /// - Throws: `inputOutput`.
  public static func needsUnpacking(_ path: String) throws(CheckpointError) -> Bool {
    if path == "-" { return true }
    let path = try NamedPath(path).place
    guard FileKind(of: path) == .file else { return false }
    let file = try InputFile(path: path)
    let head = try file.region.head(ArchiveKind.headByteCount)
    return ArchiveKind(head: head) == .zstdTar
  }

  /// `config.json` in Hugging Face's form: made from the source's, or that itself; nil if there is none.
  ///
  /// - Throws: `usage` if something in it is neither stored nor given.
  public func huggingFaceConfiguration() throws(CheckpointError) -> [UInt8]? {
    if let error = checkpoint.configurationError { throw error }
    return try reader.makeHuggingFaceConfiguration() ?? checkpoint.configuration
  }

  /// The keys of a GGUF source, of a set those of its first part; nil for other formats.
  public var ggufHeader: GGUFHeader? { (reader as? GGUFReader)?.header }

  /// The same with files that were made from keys of its metadata, instead of these.
  ///
  /// - Parameters:
  ///   - keys: what the files say.
  ///   - assets: the files.
  /// - Returns: the source.
  public func replacing(_ keys: [String], by assets: [Checkpoint.Asset]) -> Source {
    var other = self
    other.checkpoint.assets += assets
    for key in keys { other.checkpoint.metadata[ExactName(key)] = nil }
    return other
  }

  /// How many shards a Mesh-Transformer source is cut into; nil for other formats.
  public var meshShardCount: Int? { (reader as? MeshTransformerReader)?.layout.shardCount }

  /// The model's family, known or not, as far as the source says it.
  public var architectureName: String? {
    if let family = (reader as? any FamilyReader)?.familyName { return family }
    return (try? huggingFaceConfiguration()).flatMap {
      (try? HuggingFaceConfiguration(parsing: $0))?.modelType
    }
  }
}

extension Source.Input {
  fileprivate init(name: String, _ file: InputFile) {
    self.init(
      name: name, byteCount: file.byteCount, modificationTime: file.modificationTime,
      changeTime: file.changeTime, identity: file.identity, path: file.path)
  }
}
