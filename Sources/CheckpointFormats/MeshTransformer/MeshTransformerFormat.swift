public import FileContainers
public import TensorModel

/// Checkpoints of mesh-transformer-jax: `step_N/shard_i/k.npz` (v1, GPT-J), and the v2 layout, which can only be listed.
public enum MeshTransformerFormat: CheckpointFormat {
  /// `mesh-transformer`.
  public static let name = "mesh-transformer"
  /// For `--help`.
  public static let summary =
    "JAX Mesh-Transformer shards (step_N/shard_i/k.npz), GPT-J's original format"

  /// How many folders are looked through for a step.
  private static let maximumFolderCount = 2000
  /// How deep a step may lie below the top.
  private static let maximumDepth = 4

  /// Whether there is a step folder at the top or somewhat below it.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    try !steps(in: tree).isEmpty
  }

  /// Opens the only step that there is.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    let steps = try steps(in: tree)
    guard steps.count == 1, let step = steps.first else {
      throw CheckpointError(
        .usage, "several checkpoints in one place", file: tree.displayName,
        found: steps.prefix(5).map(\.folder).joined(separator: ", "),
        hint: "name one of these folders")
    }
    return step.isV2
      ? try MeshV2Reader(tree, folder: step.folder, options)
      : try MeshTransformerReader(tree, folder: step.folder, options)
  }

  private struct Step {
    let folder: String
    let isV2: Bool
  }

  private static func steps(in tree: any FileTree) throws(CheckpointError) -> [Step] {
    var steps: [Step] = []
    var pending = [(folder: "", depth: 0)]
    var visited = 0
    while let (folder, depth) = pending.popLast(), visited < maximumFolderCount {
      visited += 1
      let prefix = folder.isEmpty ? "" : "\(folder)/"
      let names = try tree.children(of: folder)
      if names.contains(where: { MeshShards.shardNumber($0) != nil }) {
        // Archives have no empty folders; on disk a shard that is a file is not one of these.
        var hasPieces = false
        for name in names where MeshShards.shardNumber(name) != nil && !hasPieces {
          hasPieces = try tree.children(of: prefix + name).contains { $0.hasSuffix(".npz") }
        }
        if hasPieces {
          steps.append(Step(folder: folder, isV2: false))
          continue
        }
      }
      if names.contains("meta.json"), tree.containsFile("\(prefix)params/shard_0.npz") {
        steps.append(Step(folder: folder, isV2: true))
        continue
      }
      guard depth < maximumDepth else { continue }
      for name in names.reversed()
      where !name.hasPrefix(".") && !tree.containsFile(prefix + name) {
        pending.append((prefix + name, depth + 1))
      }
    }
    return steps
  }
}
