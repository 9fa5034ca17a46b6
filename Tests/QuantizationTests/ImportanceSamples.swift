import Foundation
import Quantization
import TensorModel
import TestSupport

/// Reads bytes as a file.
func matrix(of contents: [UInt8]) throws(CheckpointError) -> ImportanceMatrix {
  guard let folder = try? Workspace(), let path = try? folder.write("imatrix", Data(contents))
  else { throw CheckpointError(.inputOutput, "no room for a test's file") }
  return try ImportanceMatrix(path: path)
}

/// An importance matrix of one weight as a GGUF file.
struct GGUFImportanceSample {
  var isBigEndian = false
  var sums: [Float] = [6, 9]
  var counts: [Float] = [3]

  /// The file, whose tensors are the sums and the counts.
  var builder: GGUFBuilder {
    var builder = GGUFBuilder()
    builder.isBigEndian = isBigEndian
    builder.add("general.type", "imatrix")
    builder.add("imatrix.datasets", arrayOf: 8, count: 1, builder.bytes("wiki"))
    builder.add("imatrix.chunk_count", 3)
    builder.add("imatrix.chunk_size", 512)
    for (suffix, numbers) in [("in_sum2", sums), ("counts", counts)] {
      builder.add(
        tensor: "a.weight.\(suffix)", extents: [UInt64(numbers.count)],
        numbers.flatMap { builder.bytes($0.bitPattern) })
    }
    return builder
  }

  func matrix() throws(CheckpointError) -> ImportanceMatrix {
    try QuantizationTests.matrix(of: builder.contents)
  }
}

/// An importance matrix in the older form.
struct LegacyImportanceSample {
  struct Entry {
    var name: String
    var calls: Int32
    var values: [Float]
  }

  var entries = [
    Entry(name: "a.weight", calls: 3, values: [6, 9]),
    Entry(name: "b.weight", calls: 2, values: [8]),
  ]
  var chunkCount: Int32? = 5
  var dataset: String? = "wiki"

  var contents: [UInt8] {
    var file = Int32(entries.count).littleEndianBytes
    for entry in entries {
      file += Self.text(entry.name) + entry.calls.littleEndianBytes
      file += Int32(entry.values.count).littleEndianBytes
      file += entry.values.flatMap(\.bitPattern.littleEndianBytes)
    }
    file += chunkCount?.littleEndianBytes ?? []
    return file + (dataset.map(Self.text) ?? [])
  }

  func matrix() throws(CheckpointError) -> ImportanceMatrix {
    try QuantizationTests.matrix(of: contents)
  }

  private static func text(_ text: String) -> [UInt8] {
    Int32(text.utf8.count).littleEndianBytes + text.utf8
  }
}
