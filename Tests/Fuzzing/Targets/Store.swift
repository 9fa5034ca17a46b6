// seeds: Tests/Fuzzing/Seeds/Store/*
// seeds, joined: fixtures/store/small.store/store.json+fixtures/store/small.store/chunks.json+fixtures/store/small.store/weights-00003.h5
// words: Sources/CheckpointFormats/WeightStore Sources/TensorModel/DType.swift

import CheckpointFormats
import Fuzzing
import TensorModel

/// A store: `MANIFEST NUL CHUNK TABLE NUL VOLUME`, sealed again, as whoever makes one up would seal it.
@main struct StoreTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let parts = input.parts(3)
    attempt { () throws(CheckpointError) in _ = try StoreManifest(parsing: parts[0]) }
    guard parts.count == 3 else { return }
    let store = try StoreSeal(manifest: parts[0], table: parts[1], volume: parts[2])
    let opened = try StoreFormat.open(tree: store.tree, OpenOptions())
    guard let reader = opened as? StoreReader else { return expect(false, "another reader") }
    let text = reader.manifest.text
    expect(try StoreManifest(parsing: text).text == text)
    for (name, volume) in reader.volumes {
      let chunks = zip(reader.manifest.tensors, reader.tensors)
        .filter { $0.0.volume == name }.flatMap { $0.1.chunks }
      attempt { () throws(CheckpointError) in
        _ = try VolumeStructure.digest(of: volume, around: chunks)
      }
    }
    try ReaderCheck.use(try StoreSeal.withChecksums(reader))
  }
}
