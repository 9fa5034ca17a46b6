// seeds: fixtures/bad/safetensors/*.safetensors
// words: Sources/CheckpointFormats/Safetensors Sources/TensorModel/DType.swift

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A safetensors file.
@main struct SafetensorsTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let file = try InputInMemory(input).region
    _ = try SafetensorsFormat.recognises(file: file)
    let reader = try SafetensorsFormat.open(file: file, name: "x.safetensors", OpenOptions())
    // Without holes, overlaps or a rest.
    expect(reader.checkpoint.byteCount < file.byteCount)
    try ReaderCheck.use(reader)
  }
}
