public import FileContainers
public import TensorModel

/// PyTorch's own files: `.bin`, `.pt`, `.pth`, `.ckpt`, as `torch.save` writes them, zip or legacy, and sharded sets with an index.
///
/// Their pickles are parsed, never run.
public enum PyTorchFormat: CheckpointFormat {
  /// `pytorch`.
  public static let name = "pytorch"
  /// `torch`.
  public static let aliases = ["torch"]
  /// For `--help`.
  public static let summary =
    "PyTorch state dicts (.bin, .pt, .pth, .ckpt), one file or shards with an index"

  /// The name of a single file in a directory.
  static let fileName = "pytorch_model.bin"
  /// The name of a sharded set's index.
  static let indexFileName = "pytorch_model.bin.index.json"

  private static let endings = [".bin", ".pt", ".pth", ".ckpt"]
  /// What training programs put beside weights.
  private static let others = ["training_args", "optimizer", "scheduler", "rng_state", "scaler"]

  /// How DeepSpeed's files of optimizers end.
  private static let optimizerEnding = "_optim_states.pt"

  /// Whether a name is one that weights of this format have.
  static func isWeights(name: String) -> Bool {
    endings.contains(where: name.hasSuffix) && !others.contains(where: name.hasPrefix)
      && !name.hasSuffix(optimizerEnding)
  }

  /// Recognised by the magic number of a legacy file, by a zip archive with `data.pkl`, or by its name and the beginning of either.
  public static func recognises(file: FileRegion) throws(CheckpointError) -> Bool {
    let head = try file.head(TorchStream.headByteCount)
    if TorchStream.recognises(head: head) { return true }
    guard head.starts(with: NPZFormat.zipSignature) else { return false }
    // A damaged archive is left to whoever knows its name.
    guard (try? ZipArchive.mentions("data.pkl", in: file)) == true,
      let members = try? ZipArchive(file).members
    else { return false }
    return TorchArchive.recognises(members)
  }

  /// Whether a zip archive without a pickle claims by its name to be one of PyTorch's, and no other format has a better claim.
  static func claims(name: String, file: FileRegion) throws(CheckpointError) -> Bool {
    guard isWeights(name: name), try file.head(4) == NPZFormat.zipSignature else { return false }
    guard (try? ZipArchive.mentions(".npy", in: file)) == true else { return true }
    let members = try? ZipArchive(file).members
    return members.map { !$0.contains { $0.name.hasSuffix(".npy") } } ?? true
  }

  /// Opens one file.
  public static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    let head = try file.head(TorchStream.headByteCount)
    guard head.starts(with: NPZFormat.zipSignature) || TorchStream.recognises(head: head)
    else { throw Self.notTorch(head, name) }
    return try PyTorchReader([(name, file)], unpacking: options.unpacking)
  }

  private static func notTorch(_ head: [UInt8], _ name: String) -> CheckpointError {
    if let error = StandIn.error(head: head) { return error.in(file: name) }
    return UnreadableFile.unrecognised(head: head).in(file: name)
  }

  /// A directory that holds `pytorch_model.bin`, its index, or any other file of that kind; an unpacked tar of the oldest format, to be refused.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    if tree.containsFile(fileName) || tree.containsFile(indexFileName) { return true }
    if isOldTar(tree) { return true }
    return try tree.children(of: "").contains(where: isWeights)
  }

  private static func isOldTar(_ tree: any FileTree) -> Bool {
    ["pickle", "storages", "tensors"].allSatisfy(tree.containsFile)
  }

  /// Opens `pytorch_model.bin`, else the sharded set, else the only file of that kind.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    if tree.containsFile(fileName) {
      return try open(file: tree.region(fileName), name: fileName, options)
    }
    if tree.containsFile(indexFileName) {
      let bytes = try tree.contents(of: indexFileName, limit: ShardIndex.maximumByteCount)
      return try open(index: bytes, named: indexFileName, in: tree, options)
    }
    if isOldTar(tree) {
      throw CheckpointError(
        .unsupported, "PyTorch's tar format from before version 0.1.10 is not read",
        file: tree.displayName,
        hint: "load it with an old PyTorch in an environment that you trust, and save it again")
    }
    let files = Sidecars.withoutAdapters(try tree.children(of: "").filter(isWeights))
    let only = try ShardIndex.only(of: files, kind: "PyTorch", without: indexFileName, in: tree)
    return try open(file: tree.region(only), name: only, options)
  }

  /// Opens the shards of an index.
  static func open(
    index bytes: [UInt8], named name: String, in tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    let index = try ShardIndex(parsing: bytes, fileName: name)
    return try PyTorchReader(
      index.open(in: tree), index: index, indexFile: [.init(name: name, byteCount: bytes.count)],
      unpacking: options.unpacking)
  }
}
