// seeds: fixtures/bad/msgpack/*.msgpack fixtures/flax/variants/*.msgpack
// words: Sources/CheckpointFormats/Flax

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A Flax file, its arrays read.
@main struct FlaxTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let file = try InputInMemory(input).region
    _ = try FlaxFormat.recognises(file: file)
    try ReaderCheck.use(try FlaxFormat.open(file: file, name: "x.msgpack", OpenOptions()))
  }
}
