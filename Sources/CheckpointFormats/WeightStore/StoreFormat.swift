public import FileContainers
public import TensorModel

/// The canonical weight store: HDF5 volumes with compressed chunks, and a manifest.
public enum StoreFormat: CheckpointFormat {
  /// `store`.
  public static let name = "store"
  /// For `--help`.
  public static let summary = "canonical weight store: HDF5 volumes with zstd chunks and a manifest"

  /// The manifest's file.
  public static let manifestName = "store.json"
  /// The file with the chunks of all tensors.
  public static let chunkTableName = "chunks.json"
  /// The file with a link to every dataset.
  public static let linkFileName = "weights.h5"
  /// The group of the tensors' datasets in volumes and in the file of links.
  public static let tensorGroup = "tensors"
  /// The group of datasets that hold differences.
  public static let differenceGroup = "differences"
  /// The folder of the files that came with the weights.
  public static let assetFolder = "assets"

  /// The name of a volume, counted from 0.
  public static func volumeName(_ number: Int) -> String {
    let text = String(number + 1)
    return "weights-\(String(repeating: "0", count: max(0, 5 - text.count)))\(text).h5"
  }

  /// The path of a tensor's dataset in its volume and in the file of links.
  public static func datasetPath(for tensor: String, isDifference: Bool = false) -> String {
    "/\(isDifference ? differenceGroup : tensorGroup)/\(TensorLink.name(for: tensor))"
  }

  /// A directory with a manifest, or with so much of a store that it should have one.
  public static func recognises(tree: any FileTree) -> Bool {
    tree.containsFile(manifestName)
      || tree.containsFile(chunkTableName)
        && tree.containsFile(volumeName(0))
  }

  /// Opens a store.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    guard tree.containsFile(manifestName) else {
      throw CheckpointError(
        .missing, "the store's manifest is not there", file: manifestName,
        hint: "get the store again: it is complete only with all of its files")
    }
    let store = try StoreReader(tree)
    guard let need = BaseNeed(store.manifest) else { return store }
    guard let base = try options.base(for: need, of: tree.displayName) else { return store }
    return try DifferenceReader(store, base, need)
  }
}
