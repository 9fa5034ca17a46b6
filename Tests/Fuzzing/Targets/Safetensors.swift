// seeds: fixtures/bad/safetensors/*.safetensors
// words: Sources/CheckpointFormats/Safetensors Sources/TensorModel/DType.swift

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorModel

/// A safetensors file: as it is, and with the header's length and the data's size as its text has them.
@main struct SafetensorsTarget: FuzzTarget {
  static func use(_ input: [UInt8]) throws(CheckpointError) {
    attempt { () throws(CheckpointError) in try open(input) }
    try open(repaired(input))
  }

  private static func open(_ input: [UInt8]) throws(CheckpointError) {
    let file = try InputInMemory(input).region
    _ = try SafetensorsFormat.recognises(file: file)
    let reader = try SafetensorsFormat.open(file: file, name: "x.safetensors", OpenOptions())
    // Without holes, overlaps or a rest.
    expect(reader.checkpoint.byteCount < file.byteCount)
    try ReaderCheck.use(reader)
  }

  /// The text from the ninth byte to the last brace, its length before it, and as many bytes as it asks for.
  private static func repaired(_ input: [UInt8]) -> [UInt8] {
    guard let end = input.lastIndex(of: UInt8(ascii: "}")), end >= 8 else { return input }
    let text = Array(input[8...end])
    let ends = (try? JSONValue(parsing: text))?.members?.compactMap {
      $0.value["data_offsets"]?.elements?.last?.integer
    }
    let length = (0..<8).map { UInt8(text.count >> ($0 * 8) & 0xff) }
    let byteCount = min(max(ends?.max() ?? 0, 0), 1 << 20)
    return length + text + [UInt8](repeating: 1, count: byteCount)
  }
}
