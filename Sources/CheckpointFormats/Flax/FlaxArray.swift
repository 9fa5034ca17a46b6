import FileContainers
import TensorModel

/// An array of a Flax file: what it is, and where its elements lie, in one run or several.
struct FlaxArray {
  let dtype: DType
  let shape: Shape
  /// Little-endian and row-major, one after the other; none of them empty unless the array is.
  let runs: [FileRegion]

  /// The dtypes by numpy's and ml_dtypes' names.
  private static let dtypes: [String: DType] = [
    "bool": .bool, "int8": .i8, "int16": .i16, "int32": .i32, "int64": .i64, "uint8": .u8,
    "uint16": .u16, "uint32": .u32, "uint64": .u64, "float16": .f16, "bfloat16": .bf16,
    "float32": .f32, "float64": .f64, "complex64": .c64, "float8_e4m3fn": .f8e4m3,
    "float8_e5m2": .f8e5m2, "float8_e4m3fnuz": .f8e4m3fnuz, "float8_e5m2fnuz": .f8e5m2fnuz,
    "float8_e8m0fnu": .f8e8m0,
  ]
  private static let longestDType = 32

  /// Reads an extension's contents: an array of the shape, the dtype's name and the elements' bytes.
  ///
  /// - Parameters:
  ///   - cursor: at the contents; then behind them.
  ///   - file: what the cursor reads.
  ///   - byteCount: of the contents.
  /// - Throws: `malformed` for contents of another form or size, `unsupported` for other dtypes; `inputOutput`.
  init(
    _ cursor: inout MessagePackCursor, in file: FileRegion, byteCount: Int
  ) throws(CheckpointError) {
    let start = cursor.position
    guard case .array(3) = try cursor.head(), case .array(let rank) = try cursor.head(),
      rank <= Shape.maximumRank
    else { throw Self.malformed(start, "an array that doesn't begin with its shape") }
    var dimensions: [Int] = []
    for _ in 0..<rank {
      guard case .integer(let extent) = try cursor.head() else {
        throw Self.malformed(start, "an array's shape is not of integers")
      }
      dimensions.append(extent)
    }
    shape = try Shape(checking: dimensions)
    guard case .text(let length) = try cursor.head(), length <= Self.longestDType else {
      throw Self.malformed(start, "an array without the name of a dtype")
    }
    let name = try cursor.text(length)
    guard let dtype = Self.dtypes[name] else {
      throw CheckpointError(
        .unsupported, "an array of a dtype that isn't read", byteOffset: start,
        expected: "bfloat16, float16, float32 and other numbers of up to 8 bytes",
        found: "'\(name)'")
    }
    self.dtype = dtype
    guard case .bytes(let count) = try cursor.head(),
      let expected = dtype.byteCount(
        elementCount: shape.elementCount)
    else { throw Self.malformed(start, "an array without the bytes of its elements") }
    guard count == expected else {
      throw CheckpointError(
        .malformed, "an array whose bytes don't fit its shape", byteOffset: start,
        expected: "\(expected) bytes for \(dtype.rawValue) \(shape)", found: "\(count)")
    }
    guard cursor.position + count == start + byteCount,
      let run = file.part(at: cursor.position, count: count)
    else { throw Self.malformed(start, "an array that doesn't end where its extension does") }
    runs = [run]
    try cursor.skip(count)
  }

  /// Puts an array together from its parts.
  ///
  /// - Parameters:
  ///   - chunks: of one dimension, in order.
  ///   - shape: of the whole.
  /// - Throws: `malformed` if they don't fit.
  init(chunks: [FlaxArray], shape: Shape) throws(CheckpointError) {
    guard let dtype = chunks.first?.dtype, chunks.allSatisfy({ $0.dtype == dtype }) else {
      let found = chunks.isEmpty ? "none" : chunks.map(\.dtype.rawValue).joined(separator: ", ")
      throw CheckpointError(
        .malformed, "the chunks of an array don't have one dtype", found: found)
    }
    var elementCount = 0
    for chunk in chunks {
      let (sum, overflow) = elementCount.addingReportingOverflow(chunk.shape.elementCount)
      guard chunk.shape.rank == 1, !overflow else {
        throw CheckpointError(
          .malformed, "a chunk of an array is not one row", found: "\(chunk.shape)")
      }
      elementCount = sum
    }
    guard elementCount == shape.elementCount else {
      throw CheckpointError(
        .malformed, "the chunks of an array don't fit its shape",
        expected: "\(shape.elementCount) elements for \(shape)", found: "\(elementCount)")
    }
    self.dtype = dtype
    self.shape = shape
    runs = chunks.flatMap(\.runs)
  }

  private static func malformed(_ place: Int, _ message: String) -> CheckpointError {
    CheckpointError(.malformed, message, byteOffset: place)
  }
}

/// Runs of a file's bytes as if they followed each other.
struct JoinedRuns: RandomAccessBytes {
  private let runs: [FileRegion]
  /// Where each begins in the whole.
  private let starts: [Int]
  let byteCount: Int

  /// Runs in order, whose sizes together don't overflow.
  init(_ runs: [FileRegion]) {
    var (starts, end): ([Int], Int) = ([], 0)
    for run in runs {
      starts.append(end)
      end += run.byteCount
    }
    self.runs = runs
    self.starts = starts
    byteCount = end
  }

  func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    guard position >= 0, count >= 0, position <= byteCount, count <= byteCount - position else {
      throw CheckpointError(
        .malformed, "an array ends early", byteOffset: position, expected: "\(count) bytes",
        found: "\(max(0, byteCount - position))")
    }
    guard count > 0 else { return }
    var (low, high) = (0, runs.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= position { low = middle } else { high = middle }
    }
    var done = 0
    while done < count {
      let within = position + done - starts[low]
      let part = min(count - done, runs[low].byteCount - within)
      try runs[low].read(at: within, into: base + done, count: part)
      done += part
      low += 1
    }
  }
}
