public import FileContainers
public import TensorModel

/// Hugging Face safetensors: a file, a directory with `model.safetensors`, or a sharded set with its index.
public enum SafetensorsFormat: CheckpointFormat {
  /// `safetensors`.
  public static let name = "safetensors"
  /// `hf`.
  public static let aliases = ["hf"]
  /// For `--help`.
  public static let summary = "Hugging Face safetensors, one file or shards with an index"

  /// The name of a sharded set's index.
  public static let indexFileName = "model.safetensors.index.json"

  /// Recognised by the header's length and its opening brace.
  public static func recognises(file: FileRegion) throws(CheckpointError) -> Bool {
    guard file.byteCount >= 9 else { return false }
    let prefix = try file.bytes(at: 0, count: 9)
    let length = prefix[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return length <= SafetensorsHeader.maximumByteCount && prefix[8] == UInt8(ascii: "{")
  }

  /// Opens one file.
  public static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    try SafetensorsReader(file: file, name: name)
  }

  /// A directory that holds `model.safetensors`, the index, or any other `.safetensors`.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    try tree.children(of: "").contains { $0.hasSuffix(".safetensors") }
      || tree.containsFile(indexFileName)
  }

  /// Opens `model.safetensors`, else the sharded set, else the only `.safetensors` there is.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    if tree.containsFile("model.safetensors") {
      return try SafetensorsReader(
        file: tree.region("model.safetensors"), name: "model.safetensors")
    }
    if tree.containsFile(indexFileName) {
      return try SafetensorsReader(
        index: tree.contents(
          of: indexFileName, limit: ShardIndex.maximumByteCount),
        in: tree)
    }
    let files = Sidecars.withoutAdapters(
      try tree.children(of: "").filter { $0.hasSuffix(".safetensors") })
    let only = try ShardIndex.only(of: files, kind: "safetensors", without: indexFileName, in: tree)
    return try SafetensorsReader(file: tree.region(only), name: only)
  }

  /// `model.safetensors.index.json`, as transformers writes it: keys sorted, two spaces.
  ///
  /// - Parameters:
  ///   - weightMap: tensor names and their files.
  ///   - totalByteCount: bytes of all tensors.
  ///   - parameterCount: elements of all tensors.
  /// - Returns: the file's contents.
  public static func indexFile(
    _ weightMap: [(name: String, file: String)], totalByteCount: Int, parameterCount: Int
  ) -> [UInt8] {
    let entries = weightMap.sorted { ExactName($0.name) < ExactName($1.name) }
      .map { JSONValue.Member($0.name, .string($0.file)) }
    let document = JSONValue.object([
      .init(
        "metadata",
        .object([
          .init("total_parameters", .integer(parameterCount)),
          .init("total_size", .integer(totalByteCount)),
        ])),
      .init("weight_map", .object(entries)),
    ])
    return Array((document.documentText + "\n").utf8)
  }
}
