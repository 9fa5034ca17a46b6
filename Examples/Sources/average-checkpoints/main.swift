import CheckpointReading
import Foundation

// The mean of two models of the same shapes, as safetensors of F32: average-checkpoints A B OUT.safetensors

let arguments = CommandLine.arguments.dropFirst()
guard arguments.count == 3 else {
  print("usage: average-checkpoints A B OUT.safetensors")
  throw CancellationError()
}
let paths = Array(arguments)
let (first, second) = (try Checkpoint.open(paths[0]), try Checkpoint.open(paths[1]))

// The header: a JSON object with the place of each tensor, behind its length.
struct Entry: Codable {
  let dtype: String
  let shape: [Int]
  let data_offsets: [Int]
}
var header: [String: Entry] = [:]
var end = 0
for tensor in first.tensors {
  guard let other = second[tensor.name], other.shape == tensor.shape else {
    print("\(tensor.name): the models differ")
    throw CancellationError()
  }
  let start = end
  end += tensor.shape.elementCount * MemoryLayout<Float>.size
  header[tensor.name] = Entry(
    dtype: "F32", shape: tensor.shape.dimensions, data_offsets: [start, end])
}
let encoder = JSONEncoder()
encoder.outputFormatting = .sortedKeys
var text = try encoder.encode(header)
text += Data(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)

FileManager.default.createFile(atPath: paths[2], contents: nil)
let file = try FileHandle(forWritingTo: URL(filePath: paths[2]))
try withUnsafeBytes(of: UInt64(text.count).littleEndian) { try file.write(contentsOf: Data($0)) }
try file.write(contentsOf: text)
for tensor in first.tensors {
  // A few rows at a time: models are larger than memory.
  let count = tensor.shape.dimensions.first ?? 1
  for start in stride(from: 0, to: count, by: 64) {
    let rows = start..<min(start + 64, count)
    let means = zip(
      try first.floats(tensor.name, rows: rows), try second.floats(tensor.name, rows: rows)
    ).map { ($0 + $1) / 2 }
    try means.withUnsafeBytes { try file.write(contentsOf: Data($0)) }
  }
}
try file.close()
try first.confirm()
try second.confirm()
print("\(first.tensors.count) tensors, \(end) bytes of values")
