// seeds, joined: fixtures/bad/tfbundle/ok_plain/model.ckpt.index+fixtures/bad/tfbundle/ok_plain/model.ckpt.data-00000-of-00001
// seeds, joined: fixtures/bad/tfbundle/ok_slices/model.ckpt.index+fixtures/bad/tfbundle/ok_slices/model.ckpt.data-00000-of-00001
// seeds, joined: fixtures/bad/tfbundle/ok_small_blocks/model.ckpt.index+fixtures/bad/tfbundle/ok_small_blocks/model.ckpt.data-00000-of-00001
// seeds, joined: fixtures/bad/tfbundle/bad_slices_gap/model.ckpt.index+fixtures/bad/tfbundle/bad_slices_gap/model.ckpt.data-00000-of-00001
// seeds, joined: fixtures/bad/tfbundle/ok_two_shards/model.ckpt.index+fixtures/bad/tfbundle/ok_two_shards/model.ckpt.data-00001-of-00002
// words: Sources/ModelArchitectures/Families/GPT2 Sources/CheckpointFormats/TensorFlow

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A TensorFlow checkpoint, `INDEX NUL DATA`: the same data in each data file; the index's checksums are mended.
@main struct TensorFlowTarget: FuzzTarget {
  private static let hparams = Array(
    #"{"n_vocab": 10, "n_ctx": 6, "n_embd": 8, "n_head": 2, "n_layer": 1}"#.utf8)

  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let end = TableRepair.end(of: input)
    let index = TableRepair.repaired(Array(input.prefix(end)))
    let data = Array(input.dropFirst(end + 1))
    let file = try InputInMemory(index + data + hparams).region
    var members: [ExactName: FileRegion] = [:]
    members["x.index"] = file.part(at: 0, count: index.count)
    members["hparams.json"] = file.part(at: index.count + data.count, count: hparams.count)
    for name in ["x.data-00000-of-00001", "x.data-00000-of-00002", "x.data-00001-of-00002"] {
      members[ExactName(name)] = file.part(at: index.count, count: data.count)
    }
    let tree = ArchiveTree(displayName: "x", members: members)
    try ReaderCheck.use(try TensorFlowFormat.open(tree: tree, OpenOptions()))
  }
}
