// seeds: fixtures/bad/gguf/*.gguf fixtures/gguf/mistral_window.Q4_0.gguf
// words: Sources/FileContainers/GGUF Sources/CheckpointFormats/GGUF Sources/ModelArchitectures/GGUFTable.swift

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A GGUF file, as a checkpoint and as a model.
@main struct GGUFTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let options = OpenOptions(temporaryDirectory: InputInMemory.temporaryDirectory)
    let file = try InputInMemory(input).region
    _ = try GGUFFormat.recognises(file: file)
    try ReaderCheck.use(try GGUFFormat.open(file: file, name: "x.gguf", options))
  }
}
