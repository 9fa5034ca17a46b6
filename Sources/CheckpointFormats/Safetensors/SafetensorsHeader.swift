// safetensors, https://github.com/huggingface/safetensors#format
//
// 1. u64, little-endian: N, the header's length, at most 100,000,000
// 2. N bytes: a JSON object, beginning with '{', padded at its end with spaces
//      "__metadata__": { string: string }                     (optional)
//      name: { "dtype": "F16", "shape": [2, 3], "data_offsets": [begin, end] }
// 3. to the end of the file: the tensors' bytes, at those offsets from here, without holes, overlaps or rest
//
// Stricter than the Rust crate where its README is: no key twice, no unknown fields, no white space before the brace.

import FileContainers
import TensorModel

/// The parsed header of one safetensors file.
struct SafetensorsHeader {
  /// The most bytes that a header may have.
  static let maximumByteCount = 100_000_000

  /// A tensor's entry.
  struct Entry {
    let name: String
    let dtype: DType
    let shape: Shape
    /// Where its bytes lie, from the beginning of the data.
    let range: Range<Int>
  }

  /// `__metadata__`.
  private(set) var metadata: [ExactName: String] = [:]
  /// The tensors in the order of their data.
  private(set) var entries: [Entry] = []
  /// Where the data begins in the file.
  let dataOffset: Int

  /// Reads and checks the header of a file.
  ///
  /// - Throws: `malformed` for anything that breaks the rules above, `unsupported` for other kinds of files under this name.
  init(_ file: some RandomAccessBytes) throws(CheckpointError) {
    guard file.byteCount >= 8 else {
      throw CheckpointError(
        .malformed, "too short for a safetensors file", byteOffset: 0, expected: "8 bytes or more",
        found: "\(file.byteCount)", hint: "the download may be incomplete")
    }
    let prefix = try file.bytes(at: 0, count: 8)
    let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= Self.maximumByteCount, Int(length) <= file.byteCount - 8, length >= 2 else {
      throw CheckpointError(
        .malformed, "the header's length can't be right", byteOffset: 0,
        expected: file.byteCount < 10
          ? "a header after it" : "2 to \(min(Self.maximumByteCount, file.byteCount - 8))",
        found: "\(length)",
        hint: "not a safetensors file, or an incomplete download")
    }
    dataOffset = 8 + Int(length)
    var scanner = JSONScanner(try file.bytes(at: 8, count: Int(length)), base: 8)
    try parse(&scanner)
    try checkOffsets(dataByteCount: file.byteCount - dataOffset)
  }

  private mutating func parse(_ scanner: inout JSONScanner) throws(CheckpointError) {
    let isFirst = scanner.offset == 0 && scanner.peek() == UInt8(ascii: "{")
    guard isFirst, scanner.offset == 0, scanner.take("{") else {
      throw scanner.error("a safetensors header begins with '{'")
    }
    var keys: Set<ExactName> = []
    // Layers have few shapes between them: each is in memory once.
    var shapes: Set<Shape> = []
    if !scanner.take("}") {
      repeat {
        scanner.skipWhitespace()
        let position = scanner
        let key = try scanner.string()
        guard keys.insert(ExactName(key)).inserted else {
          throw position.error("the same key twice in the header", found: "'\(key)'")
        }
        try scanner.expect(":")
        if key == "__metadata__" {
          try parseMetadata(&scanner)
        } else {
          try Self.check(name: key, position)
          do { entries.append(try Self.entry(key, &scanner, &shapes)) } catch {
            throw error.in(tensor: key)
          }
        }
      } while scanner.take(",")
      try scanner.expect("}")
    }
    try scanner.expectEnd(paddedWith: UInt8(ascii: " "))
  }

  private static func check(name: String, _ position: JSONScanner) throws(CheckpointError) {
    guard !name.isEmpty, !name.utf8.contains(0) else {
      throw position.error(
        name.isEmpty ? "a tensor without a name" : "a tensor's name holds a NUL", found: "'\(name)'"
      )
    }
  }

  private mutating func parseMetadata(_ scanner: inout JSONScanner) throws(CheckpointError) {
    try scanner.expect("{")
    if scanner.take("}") { return }
    var keys: Set<ExactName> = []
    repeat {
      let key = try scanner.string()
      guard keys.insert(ExactName(key)).inserted else {
        throw scanner.error("the same key twice in __metadata__", found: "'\(key)'")
      }
      try scanner.expect(":")
      metadata[ExactName(key)] = try scanner.string()
    } while scanner.take(",")
    try scanner.expect("}")
  }

  private static func entry(
    _ name: String, _ scanner: inout JSONScanner, _ shapes: inout Set<Shape>
  ) throws(CheckpointError) -> Entry {
    var (dtype, shape, offsets): (DType?, Shape?, [Int]?)
    try scanner.expect("{")
    repeat {
      let field = try scanner.string()
      try scanner.expect(":")
      switch (field, dtype, shape, offsets) {
      case ("dtype", nil, _, _):
        let text = try scanner.string()
        dtype = DType(rawValue: text)
        if dtype?.isBlockQuantized != false {
          throw scanner.error("unknown dtype", found: "'\(text)'")
        }
      case ("shape", _, nil, _): shape = try Shape(checking: naturalNumbers(&scanner))
      case ("data_offsets", _, _, nil): offsets = try naturalNumbers(&scanner)
      default:
        throw scanner.error(
          "unexpected or repeated field in a tensor's entry",
          expected: "dtype, shape and data_offsets", found: "'\(field)'")
      }
    } while scanner.take(",")
    try scanner.expect("}")
    guard let dtype, let shape, let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
      throw scanner.error(
        "incomplete entry", expected: "dtype, shape and two ascending data_offsets",
        found: offsets.map { "data_offsets \($0)" } ?? "fields missing")
    }
    guard let byteCount = dtype.byteCount(elementCount: shape.elementCount),
      byteCount == offsets[1] - offsets[0]
    else {
      let needed = dtype.byteCount(elementCount: shape.elementCount)
      throw scanner.error(
        "dtype and shape don't fit the data's size",
        expected: needed.map { "\($0) bytes for \(dtype.rawValue) \(shape)" } ?? "whole bytes",
        found: "\(offsets[1] - offsets[0])")
    }
    return Entry(
      name: name, dtype: dtype, shape: shapes.insert(shape).memberAfterInsert,
      range: offsets[0]..<offsets[1])
  }

  private static func naturalNumbers(
    _ scanner: inout JSONScanner
  ) throws(CheckpointError) -> [Int] {
    var numbers: [Int] = []
    try scanner.expect("[")
    if scanner.take("]") { return numbers }
    repeat {
      numbers.append(try scanner.naturalNumber())
      guard numbers.count <= Shape.maximumRank else {
        throw scanner.error(
          "too many dimensions", expected: "at most \(Shape.maximumRank)", found: "more")
      }
    } while scanner.take(",")
    try scanner.expect("]")
    return numbers
  }

  /// The tensors, sorted by their place, must follow each other from the first byte of the data to the last.
  private mutating func checkOffsets(dataByteCount: Int) throws(CheckpointError) {
    entries.sort {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    var end = 0
    for entry in entries {
      guard entry.range.lowerBound == end else {
        throw CheckpointError(
          .malformed,
          entry.range.lowerBound < end ? "overlaps another tensor" : "leaves a hole before it",
          tensor: entry.name, byteOffset: dataOffset + entry.range.lowerBound,
          expected: "data_offsets beginning at \(end)", found: "\(entry.range.lowerBound)")
      }
      end = entry.range.upperBound
    }
    guard end == dataByteCount else {
      throw CheckpointError(
        .malformed,
        end < dataByteCount
          ? "bytes follow the last tensor" : "the file ends before its tensors do",
        byteOffset: dataOffset + min(end, dataByteCount), expected: "\(end) bytes of data",
        found: "\(dataByteCount)",
        hint: end < dataByteCount
          ? "something was appended to the file" : "the download or copy is incomplete")
    }
  }
}
