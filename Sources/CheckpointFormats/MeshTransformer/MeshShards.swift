// Mesh-Transformer v1 checkpoints, mesh_transformer/checkpoint.py of kingoflolz/mesh-transformer-jax:
//
// 1. step_<N>/shard_<i>/<k>.npz, i = 0 ..< shards, k = 0 ..< 16
// 2. each .npz holds a run of the shard's leaves as arr_0.npy, arr_1.npy …; all 16 runs make the flattened state
// 3. the state is { opt_state, params, step } flattened in sorted order: step is the last leaf, the parameters stand before it;
//    slim checkpoints have no opt_state
// 4. leaves have no names: what they are follows from their place alone

import FileContainers
import TensorModel

/// The leaves of all shards, by place.
struct MeshShards {
  /// A leaf of one shard.
  struct Leaf {
    let array: NPYArray
    let file: String
  }

  /// Leaves by shard, in the order of the files.
  private(set) var shards: [[Leaf]] = []
  /// The files.
  private(set) var files: [Checkpoint.SourceFile] = []
  /// What else was found.
  private(set) var findings: [Finding] = []
  /// Files that don't belong.
  private(set) var leftOut: [String] = []

  /// Opens all pieces of all shards below a step folder.
  ///
  /// - Throws: `missing` for a missing shard or piece, `malformed` or `unsupported` for broken ones.
  init(_ tree: any FileTree, folder: String, unpacking: Unpacking) throws(CheckpointError) {
    let prefix = folder.isEmpty ? "" : "\(folder)/"
    let names = try tree.children(of: folder)
    let numbers = names.compactMap { Self.shardNumber($0) }.sorted()
    guard numbers == Array(0..<numbers.count) else {
      let missing = zip(0..., numbers).first { $0 != $1 }?.0 ?? 0
      throw CheckpointError(
        .missing, "a shard is missing", file: "\(prefix)shard_\(missing)",
        expected: "shard_0 to shard_\(numbers.last ?? 0)", found: "\(numbers.count) shards",
        hint: "the download or the unpacking is incomplete")
    }
    leftOut = names.filter { Self.shardNumber($0) == nil }.map { "\(prefix)\($0)" }
    for number in numbers {
      let shard = "\(prefix)shard_\(number)"
      var leaves: [Leaf] = []
      for piece in 0..<MeshNames.pieceCount {
        leaves += try pieceLeaves("\(shard)/\(piece).npz", tree, unpacking)
      }
      let pieces = Set((0..<MeshNames.pieceCount).map { "\($0).npz" })
      leftOut += try tree.children(of: shard).filter { !pieces.contains($0) }.map {
        "\(shard)/\($0)"
      }
      shards.append(leaves)
    }
    try checkAgreement(prefix)
  }

  /// `3` for `shard_3`.
  static func shardNumber(_ name: String) -> Int? {
    guard name.hasPrefix("shard_"), let number = Int(name.dropFirst(6)), number >= 0,
      "shard_\(number)" == name
    else { return nil }
    return number
  }

  private mutating func pieceLeaves(
    _ path: String, _ tree: any FileTree, _ unpacking: Unpacking
  ) throws(CheckpointError) -> [Leaf] {
    guard tree.containsFile(path) else {
      throw CheckpointError(
        .missing, "a piece of the shard is missing", file: path,
        expected: "0.npz to \(MeshNames.pieceCount - 1).npz",
        hint: "the download or the unpacking is incomplete")
    }
    do throws(CheckpointError) {
      let region = try tree.region(path)
      files.append(.init(name: path, byteCount: region.byteCount))
      let archive = try NPZArchive(region, name: path, unpacking: unpacking)
      // An empty piece is right when there are fewer than 16 leaves.
      findings += archive.findings.filter { $0.check != "npz-empty" }
      var leaves: [Leaf?] = Array(repeating: nil, count: archive.arrays.count)
      for member in archive.arrays {
        guard member.name.hasPrefix("arr_"), let number = Int(member.name.dropFirst(4)),
          leaves.indices.contains(number), member.name == "arr_\(number)"
        else {
          throw CheckpointError(
            .malformed, "not a member that numpy.savez writes for a list", tensor: member.name,
            expected: "arr_0 to arr_\(archive.arrays.count - 1)")
        }
        leaves[number] = Leaf(array: member.array, file: path)
      }
      return leaves.compactMap { $0 }
    } catch { throw error.in(file: path) }
  }

  private func checkAgreement(_ prefix: String) throws(CheckpointError) {
    guard let first = shards.first else { return }
    for (number, shard) in shards.enumerated() {
      guard shard.count == first.count else {
        throw CheckpointError(
          .malformed, "shards with different numbers of leaves", file: "\(prefix)shard_\(number)",
          expected: "\(first.count), as in shard_0", found: "\(shard.count)")
      }
      for (position, (leaf, model)) in zip(shard, first).enumerated()
      where leaf.array.header.shape != model.array.header.shape
        || leaf.array.header.dtype != model.array.header.dtype
      {
        throw CheckpointError(
          .malformed, "leaf \(position) differs from shard_0's", file: leaf.file,
          expected: "\(model.array.header.dtype.rawValue) \(model.array.header.shape)",
          found: "\(leaf.array.header.dtype.rawValue) \(leaf.array.header.shape)")
      }
    }
  }
}
