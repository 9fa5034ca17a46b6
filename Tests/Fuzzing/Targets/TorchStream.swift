// seeds: fixtures/bad/torchbin/*legacy*.bin
// words: Sources/FileContainers/Pickle Sources/CheckpointFormats/PyTorch

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A legacy file of PyTorch's: pickles, and storages without a checksum.
@main struct TorchStreamTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let options = OpenOptions(temporaryDirectory: InputInMemory.temporaryDirectory)
    let file = try InputInMemory(input).region
    _ = try PyTorchFormat.recognises(file: file)
    try ReaderCheck.use(try PyTorchFormat.open(file: file, name: "x.bin", options))
  }
}
