// seeds: Tests/Fuzzing/Seeds/SafetensorsIndex/*
// words: Sources/CheckpointFormats/Safetensors

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// The index of a sharded set: `INDEX NUL SHARD`, the same shard under every name that the index has.
@main struct SafetensorsIndexTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let index = input.part(0, of: 2)
    let file = try InputInMemory(input).region
    var members: [ExactName: FileRegion] = [:]
    members["model.safetensors.index.json"] = file.part(at: 0, count: index.count)
    if let shard = file.part(at: index.count + 1, count: input.count - index.count - 1),
      let map = try? JSONValue(parsing: index)["weight_map"]?.members
    {
      for name in map.compactMap({ $0.value.text }) { members[ExactName(name)] = shard }
    }
    let tree = ArchiveTree(displayName: "set", members: members)
    try ReaderCheck.use(try SafetensorsFormat.open(tree: tree, OpenOptions()))
  }
}
