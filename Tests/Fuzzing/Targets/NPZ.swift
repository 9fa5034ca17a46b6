// seeds: fixtures/bad/npz/*.npz fixtures/zip/*.npz fixtures/npz/*.npz fixtures/mesh-transformer/npz_variants/*.npz
// words: Sources/FileContainers/NPY

import CheckpointFormats
import Fuzzing
import TensorModel

/// An npz archive, its arrays read with their CRC-32.
@main struct NPZTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let options = OpenOptions(temporaryDirectory: InputInMemory.temporaryDirectory)
    let file = try InputInMemory(input).region
    try ReaderCheck.use(try NPZFormat.open(file: file, name: "x.npz", options))
  }
}
