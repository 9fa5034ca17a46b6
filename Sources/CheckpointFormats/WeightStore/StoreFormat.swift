public import FileContainers
public import TensorModel

/// The canonical weight store: HDF5 volumes with compressed chunks, and a manifest.
public enum StoreFormat: CheckpointFormat {
  /// `store`.
  public static let name = "store"
  /// For `--help`.
  public static let summary = "canonical weight store: HDF5 volumes with zstd chunks and a manifest"

  /// A directory with a manifest, or with so much of a store that it should have one.
  public static func recognises(tree: any FileTree) -> Bool {
    tree.containsFile(StoreManifest.fileName)
      || tree.containsFile(ChunkTable.fileName)
        && tree.containsFile(StoreManifest.volumeName(0))
  }

  /// Opens a store.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    guard tree.containsFile(StoreManifest.fileName) else {
      throw CheckpointError(
        .missing, "the store's manifest is not there", file: StoreManifest.fileName,
        hint: "get the store again: it is complete only with all of its files")
    }
    return try StoreReader(tree)
  }
}
