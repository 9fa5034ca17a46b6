public import FileContainers
public import TensorModel

/// Flax's files: `flax_model.msgpack`, and sharded sets with an index.
public enum FlaxFormat: CheckpointFormat {
  /// `flax`.
  public static let name = "flax"
  /// For `--help`.
  public static let summary = "Flax parameters (.msgpack), one file or shards with an index"

  /// The name of a single file in a directory.
  static let fileName = "flax_model.msgpack"
  /// The name of a sharded set's index.
  static let indexFileName = "flax_model.msgpack.index.json"

  /// Whether a name is one that weights of this format have.
  static func isWeights(name: String) -> Bool { name.hasSuffix(".msgpack") }

  /// Recognised by maps whose first value is an array as Flax writes it.
  public static func recognises(file: FileRegion) throws(CheckpointError) -> Bool {
    try ifUsable { () throws(CheckpointError) in
      var cursor = MessagePackCursor(file)
      for _ in 0..<FlaxTree.maximumDepth {
        guard case .map(1...) = try cursor.head(), case .text(let length) = try cursor.head() else {
          return false
        }
        let key = try cursor.text(length)
        var value = cursor
        switch try value.head() {
        case .map: continue
        case .boolean(true): return key == FlaxTree.chunkedKey
        case .extension(1, _): return try value.head() == .array(count: 3)
        default: return false
        }
      }
      return false
    } ?? false
  }

  /// Opens one file.
  public static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    try FlaxReader([(name, file)])
  }

  /// A directory that holds `flax_model.msgpack`, its index, or any other `.msgpack`.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    if tree.containsFile(indexFileName) { return true }
    return try tree.children(of: "").contains(where: isWeights)
  }

  /// Opens `flax_model.msgpack`, else the sharded set, else the only file of that kind.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    if tree.containsFile(fileName) {
      return try open(file: tree.region(fileName), name: fileName, options)
    }
    if tree.containsFile(indexFileName) {
      return try open(
        index: tree.contents(of: indexFileName, limit: ShardIndex.maximumByteCount),
        named: indexFileName, in: tree)
    }
    let files = try tree.children(of: "").filter(isWeights)
    let only = try ShardIndex.only(of: files, kind: "Flax", without: indexFileName, in: tree)
    return try open(file: tree.region(only), name: only, options)
  }

  /// Opens the shards of an index.
  static func open(
    index bytes: [UInt8], named name: String, in tree: any FileTree
  ) throws(CheckpointError) -> any CheckpointReader {
    let index = try ShardIndex(parsing: bytes, fileName: name)
    return try FlaxReader(
      index.open(in: tree), index: index, indexFile: [.init(name: name, byteCount: bytes.count)])
  }
}
