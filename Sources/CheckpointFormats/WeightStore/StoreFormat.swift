public import FileContainers
public import TensorModel

/// The canonical weight store: HDF5 volumes with compressed chunks, and a manifest.
public enum StoreFormat: CheckpointFormat {
  /// `store`.
  public static let name = "store"
  /// For `--help`.
  public static let summary = "canonical weight store: HDF5 volumes with zstd chunks and a manifest"

  /// A directory with a manifest.
  public static func recognises(tree: any FileTree) -> Bool {
    tree.containsFile(StoreManifest.fileName)
  }

  /// Opens a store.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    try StoreReader(tree)
  }
}
