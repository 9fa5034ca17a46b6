import FileContainers
import TensorModel

/// All formats that checkpoints are read from: one line each.
public enum Formats {
  /// In the order in which they are tried.
  public static let all: [any (CheckpointFormat & Sendable).Type] = [
    StoreFormat.self,
    WeightDeltaFormat.self,
    SafetensorsFormat.self,
    MeshTransformerFormat.self,
    GGUFFormat.self,
    GPTNeoXFormat.self,
    PyTorchFormat.self,
    NPZFormat.self,
    FlaxFormat.self,
    KerasFormat.self,
    TensorFlowFormat.self,
  ]

  /// The format of that name or alias.
  public static func named(_ name: String) -> (any CheckpointFormat.Type)? {
    all.first { $0.name == name || $0.aliases.contains(name) }
  }

  /// Opens a file that isn't an archive.
  ///
  /// - Throws: `unsupported` if no format recognises it; else what opening throws.
  static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    do throws(CheckpointError) {
      let head = try file.bytes(at: 0, count: min(512, file.byteCount))
      if let error = StandIn.error(head: head) { throw error }
      // Nothing else is called so, and programs that load it go by the name.
      if name.hasSuffix(".gguf") { return try GGUFFormat.open(file: file, name: name, options) }
      if try PyTorchFormat.claims(name: name, file: file) {
        return try PyTorchFormat.open(file: file, name: name, options)
      }
      for format in all where try format.recognises(file: file) {
        return try format.open(file: file, name: name, options)
      }
      // Nothing recognises it. Where the name says what it should be, that format's reader says best what is wrong.
      if name.hasSuffix(".safetensors") {
        return try SafetensorsFormat.open(file: file, name: name, options)
      }
      if PyTorchFormat.isWeights(name: name) {
        return try PyTorchFormat.open(file: file, name: name, options)
      }
      if FlaxFormat.isWeights(name: name) {
        return try FlaxFormat.open(file: file, name: name, options)
      }
      if KerasFormat.isWeights(name: name) {
        return try KerasFormat.open(file: file, name: name, options)
      }
      throw UnreadableFile.unrecognised(head: head)
    } catch { throw error.in(file: name) }
  }

  private static func format(
    of tree: any FileTree
  ) throws(CheckpointError) -> (any CheckpointFormat.Type)? {
    var adapters: (any CheckpointFormat.Type)?
    for format in all where try format.recognises(tree: tree) {
      guard try Sidecars.areAdapters(format, tree) else { return format }
      adapters = adapters ?? format
    }
    return adapters
  }

  /// The tree that a checkpoint lies in: an archive's only folder, or the only folder of that, as `tar cf x.tar model/` makes it.
  ///
  /// Formats that look into folders recognise the archive too; the top is then where `config.json` is.
  ///
  /// - Throws: `inputOutput`.
  static func unwrapped(_ tree: any FileTree) throws(CheckpointError) -> any FileTree {
    var (inner, recognised): (any FileTree, (any FileTree)?) = (tree, nil)
    for _ in 0..<maximumWrapping {
      if inner.containsFile("config.json") { return inner }
      if recognised == nil, try format(of: inner) != nil { recognised = inner }
      guard let only = try inner.children(of: "").first,
        try inner.children(of: "").count == 1, !inner.containsFile(only)
      else { break }
      inner = Subtree(of: inner, folder: only)
    }
    return recognised ?? inner
  }

  /// How many folders may lie around a checkpoint.
  private static let maximumWrapping = 8

  /// Whether a directory holds a checkpoint of some format.
  ///
  /// - Throws: `inputOutput`.
  static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    try format(of: tree) != nil
  }

  /// Opens a directory or the contents of an archive, with the files beside the weights.
  ///
  /// - Parameters:
  ///   - tree: where they lie.
  ///   - index: the name of a sharded checkpoint's index in it, if that is what is meant of all that is there.
  ///   - options: what opening may need.
  /// - Returns: a reader.
  /// - Throws: `unsupported` if no format recognises it; else what opening throws.
  static func open(
    tree: any FileTree, index: String? = nil, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    if let index { return try open(index: index, in: tree, options) }
    if let format = try format(of: tree) { return try format.open(tree: tree, options) }
    let names = try tree.children(of: "")
    if names.count == 1, let only = names.first, tree.containsFile(only) {
      return try open(file: tree.region(only), name: only, options)
    }
    throw CheckpointError(
      .unsupported, "no checkpoint in a format that is read here", file: tree.displayName,
      expected: "*.safetensors, pytorch_model.bin, tf_model.h5, flax_model.msgpack, "
        + "step_N/shard_0/0.npz or model.npz",
      found: names.isEmpty ? "nothing" : names.prefix(5).joined(separator: ", "),
      hint: "formats that are read: \(all.map { $0.name }.joined(separator: ", "))")
  }

  /// Opens the shards that an index names, in the format in which the first of them is.
  private static func open(
    index name: String, in tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    if name.hasSuffix(TensorFlowFormat.indexEnding) {
      return try TensorFlowFormat.open(index: name, in: tree, options)
    }
    let bytes = try tree.contents(of: name, limit: ShardIndex.maximumByteCount)
    let index = try ShardIndex(parsing: bytes, fileName: name)
    guard let first = try index.open(in: tree).first else {
      throw CheckpointError(.malformed, "the index names no files", file: name)
    }
    if try SafetensorsFormat.recognises(file: first.region)
      || first.name.hasSuffix(".safetensors")
    {
      return try SafetensorsReader(index: bytes, named: name, in: tree)
    }
    if try PyTorchFormat.recognises(file: first.region) || PyTorchFormat.isWeights(name: first.name)
    {
      return try PyTorchFormat.open(index: bytes, named: name, in: tree, options)
    }
    if try FlaxFormat.recognises(file: first.region) || FlaxFormat.isWeights(name: first.name) {
      return try FlaxFormat.open(index: bytes, named: name, in: tree)
    }
    if try KerasFormat.recognises(file: first.region) || KerasFormat.isWeights(name: first.name) {
      return try KerasFormat.open(index: bytes, named: name, in: tree, options)
    }
    throw CheckpointError(
      .unsupported, "shards of a format that is not read", file: first.name,
      expected: "safetensors, PyTorch's, Flax's or Keras's files")
  }
}
