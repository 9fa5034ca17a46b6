// seeds: Tests/Fuzzing/Seeds/Mesh/* fixtures/npz/mesh_piece.npz fixtures/mesh-transformer/npz_variants/*.npz
// words: Sources/FileContainers/NPY

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A Mesh-Transformer checkpoint of two equal shards, all of whose leaves are in their first piece: the input.
@main struct MeshTarget: FuzzTarget {
  private static let configuration = Array(
    """
    {"layers": 2, "d_model": 8, "n_heads": 2, "n_vocab": 10, "norm": "layernorm", "pe": "rotary",
     "pe_rotary_dims": 4, "seq": 32, "cores_per_replica": 2}
    """.utf8)
  /// A zip archive without entries.
  private static let emptyPiece: [UInt8] =
    [0x50, 0x4b, 5, 6] + [UInt8](repeating: 0, count: 18)

  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let file = try InputInMemory(input + emptyPiece + configuration).region
    let start = input.count + emptyPiece.count
    var members: [ExactName: FileRegion] = [:]
    members["config.json"] = file.part(at: start, count: configuration.count)
    for shard in 0..<2 {
      for piece in 0..<16 {
        members[ExactName("step_1/shard_\(shard)/\(piece).npz")] =
          piece == 0
          ? file.part(at: 0, count: input.count)
          : file.part(at: input.count, count: emptyPiece.count)
      }
    }
    let tree = ArchiveTree(displayName: "mesh", members: members)
    let options = OpenOptions(temporaryDirectory: InputInMemory.temporaryDirectory)
    try ReaderCheck.use(try MeshTransformerFormat.open(tree: tree, options))
  }
}
