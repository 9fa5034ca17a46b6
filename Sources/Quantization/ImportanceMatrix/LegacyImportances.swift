// The older form of importance matrices, `.dat` (llama.cpp, common/imatrix-loader.cpp), little-endian:
//
//   i32 number of entries; each: i32 length, name, i32 calls, i32 number of values, f32 values
//   i32 number of chunks, i32 length, path of the dataset; missing in the oldest files, or without the path
//
// Values are means times the calls. There is no magic number: what doesn't add up is no importance matrix.

import FileContainers
import TensorModel

extension ImportanceTable {
  /// Reads the older form.
  ///
  /// - Throws: `malformed` unless the file ends where its numbers say; `inputOutput`.
  init(legacy file: FileRegion) throws(CheckpointError) {
    var cursor = LegacyImportanceCursor(file: file)
    let entryCount = try cursor.number(
      of: "entries", 1...Self.maximumEntryCount,
      hint: "this is no importance matrix of llama.cpp, or its download failed")
    for _ in 0..<entryCount {
      let name = try cursor.text(1...file.byteCount)
      do throws(CheckpointError) {
        let callCount = try cursor.number(of: "calls", 0...Int(Int32.max))
        let valueCount = try cursor.number(of: "values", 1...Int(Int32.max))
        var importances = try cursor.floats(valueCount)
        if callCount > 0 {
          let calls = Float(callCount)
          for column in importances.indices { importances[column] /= calls }
        }
        try add(name, ImportanceEntry(importances: importances, expertCount: 1))
      } catch { throw error.in(tensor: name) }
    }
    if cursor.remaining > 0 {
      chunkCount = try cursor.number(of: "chunks", 0...Int(Int32.max))
    }
    if cursor.remaining > 0 {
      let dataset = try cursor.text(0...file.byteCount)
      if !dataset.isEmpty { datasets = [dataset] }
    }
    guard cursor.remaining == 0 else {
      throw CheckpointError(
        .malformed, "bytes after the end", byteOffset: cursor.position,
        found: "\(cursor.remaining)")
    }
  }
}

/// Reads a file of the older form from its beginning.
private struct LegacyImportanceCursor {
  let file: FileRegion
  private(set) var position = 0

  init(file: FileRegion) { self.file = file }

  /// Bytes from here to the end of the file.
  var remaining: Int { file.byteCount - position }

  mutating func number(
    of what: String, _ range: ClosedRange<Int>, hint: String? = nil
  ) throws(CheckpointError) -> Int {
    let bytes = try file.bytes(at: position, count: 4)
    let bits = bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    let number = Int(Int32(bitPattern: bits))
    guard range.contains(number) else {
      throw CheckpointError(
        .malformed, "an impossible number of \(what)", byteOffset: position,
        expected: "\(range.lowerBound) to \(range.upperBound)", found: "\(number)", hint: hint)
    }
    position += 4
    return number
  }

  /// A text with its length before it.
  mutating func text(_ byteCount: ClosedRange<Int>) throws(CheckpointError) -> String {
    let count = try number(of: "bytes in a text", byteCount)
    let bytes = try file.bytes(at: position, count: count)
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw CheckpointError(.malformed, "not valid text", byteOffset: position)
    }
    position += count
    return text
  }

  mutating func floats(_ count: Int) throws(CheckpointError) -> [Float] {
    let floats = try file.floats(at: position, count: count)
    position += count * 4
    return floats
  }
}
