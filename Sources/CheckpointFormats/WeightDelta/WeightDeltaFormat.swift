public import FileContainers
public import TensorModel

/// A trainer's published update: the bytes of weights that changed since the version before.
public enum WeightDeltaFormat: CheckpointFormat {
  /// `weight-delta`.
  public static let name = "weight-delta"
  /// For `--help`.
  public static let summary = "trainers' updates, weight_vNNNNNN: changed bytes, read with --base"

  /// The name of a file of so many, counted from 0.
  public static func fileName(_ number: Int, of count: Int) -> String {
    func digits(_ value: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, 5 - text.count)) + text
    }
    return "model-\(digits(number))-of-\(digits(count)).safetensors"
  }

  /// The name of the index.
  public static var indexName: String { SafetensorsFormat.indexFileName }

  /// A directory whose index says how the update is encoded.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    guard tree.containsFile(indexName), !tree.containsFile("model.safetensors") else {
      return false
    }
    return WeightDeltaIndex.isOne(
      try tree.contents(of: indexName, limit: ShardIndex.maximumByteCount))
  }

  /// Opens an update together with its base, or what can be told without.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    let bytes = try tree.contents(of: indexName, limit: ShardIndex.maximumByteCount)
    let index = try WeightDeltaIndex(parsing: bytes)
    let need = BaseNeed(ofUpdateTo: index.baseRoot, hint: "version \(index.baseVersion)")
    let files = try WeightDeltaFiles(index, indexByteCount: bytes.count, in: tree)
    let unpacking = Unpacking(
      directory: options.temporaryDirectory, limit: options.expansionLimit)
    let match = try options.base(for: need, of: tree.displayName) {
      (match) throws(CheckpointError) in
      try ifUsable { () throws(CheckpointError) in
        try WeightDeltaReader(index, files, need, match, unpacking).checkUpdates()
      } != nil
    }
    guard let match else { return try BareUpdate(index, files, need) }
    return try WeightDeltaReader(index, files, need, match, unpacking)
  }
}
