public import FileContainers
import ModelArchitectures
public import TensorModel

/// The files that belong to a checkpoint by their names, whoever made it: weights, what is published beside them, and what this tool writes.
public struct KnownFiles {
  private let tree: any FileTree
  private let folders: SidecarFolders
  /// What manifests in the directory name: certificates, a store's manifest, the index of shards.
  private let named: Set<ExactName>

  /// Looks at a directory.
  ///
  /// - Parameters:
  ///   - tree: of the directory.
  ///   - named: paths that certificates in it name.
  /// - Throws: `inputOutput`.
  public init(_ tree: any FileTree, named: [String]) throws(CheckpointError) {
    self.tree = tree
    folders = try SidecarFolders(tree)
    var paths = named
    for name in try tree.children(of: "") where name.hasSuffix(".index.json") {
      let index = try ifUsable { () throws(CheckpointError) in
        try ShardIndex(
          parsing: tree.contents(of: name, limit: ShardIndex.maximumByteCount), fileName: name)
      }
      paths += index?.shards ?? []
    }
    if tree.containsFile(StoreFormat.manifestName) {
      let manifest = try ifUsable { () throws(CheckpointError) in
        try StoreManifest(
          parsing: tree.contents(
            of: StoreFormat.manifestName, limit: StoreManifest.maximumByteCount))
      }
      paths += manifest?.fileNames ?? []
    }
    self.named = Set(paths.map { ExactName($0) })
  }

  /// Whether a file of that path below the directory belongs to a checkpoint.
  ///
  /// - Throws: `inputOutput`.
  public func contains(_ path: String) throws(CheckpointError) -> Bool {
    if named.contains(ExactName(path)) || path.hasPrefix(".cache/huggingface/") { return true }
    if path.wholeMatch(of: /step_[0-9]+\/(shard_[0-9]+\/[0-9]+\.npz|meta\.json)/) != nil {
      return true
    }
    guard !path.utf8.contains(UInt8(ascii: "/")) else { return folders.contains(path) }
    return try isEssential(path) || Sidecars.isCarried(path) || Self.others.contains(path)
  }

  /// Whether a file, directly in the directory, makes it a checkpoint or an output of this tool.
  ///
  /// - Throws: `inputOutput`.
  public func isEssential(_ path: String) throws(CheckpointError) -> Bool {
    if Sidecars.isOurs(path) || path.hasSuffix(".index.json") || path.hasPrefix("step_") {
      return true
    }
    if Self.endings.contains(where: path.hasSuffix) { return true }
    // Endings of PyTorch's files are those of many programs.
    guard PyTorchFormat.isWeights(name: path), tree.containsFile(path) else { return false }
    let isOne = try ifUsable { () throws(CheckpointError) in
      let region = try tree.region(path)
      if StandIn.error(head: try region.head(512)) != nil { return path.hasPrefix("pytorch_model") }
      return try PyTorchFormat.recognises(file: region)
    }
    return isOne ?? false
  }

  private static let endings = [".safetensors", ".gguf", ".npz"]

  private static let others: Set = [
    HuggingFaceConfiguration.fileName, "README.md", ".gitattributes", "SHA256SUMS", "model.sig",
    "tf_model.h5", "flax_model.msgpack",
  ]
}
