public import FileContainers
public import TensorModel

/// Token ids from a file: a numpy array of integers, or JSON.
public enum TokenFile {
  /// What such a file may have at most: 100 million tokens.
  private static let maximumByteCount = 800 << 20

  /// Reads `[tokens]` or `[rows, tokens]`.
  ///
  /// - Parameters:
  ///   - path: of an `.npy` file of I32 or I64, or of a JSON array, or array of arrays, of integers.
  ///   - inputs: takes the file in as an input.
  /// - Returns: the rows.
  /// - Throws: `usage` for anything else; `missing` or `inputOutput`.
  public static func rows(
    at path: String, recordedIn inputs: ReadFiles?
  ) throws(CheckpointError) -> [[Int]] {
    let bytes = try InputFile.contents(of: path, limit: maximumByteCount, recordedIn: inputs)
    do throws(CheckpointError) {
      let rows = bytes.first == 0x93 ? try array(bytes) : try json(bytes)
      guard !rows.isEmpty, rows.allSatisfy({ !$0.isEmpty }) else {
        throw CheckpointError(.usage, "there are no tokens in this file")
      }
      return rows
    } catch { throw error.in(file: path) }
  }

  private static func array(_ bytes: [UInt8]) throws(CheckpointError) -> [[Int]] {
    let header = try NPYHeader(parsing: bytes)
    let size = header.dtype.blockByteCount
    guard [.i32, .i64].contains(header.dtype), (1...2).contains(header.shape.rank),
      !header.isFortranOrder || header.shape.rank == 1, !header.isBigEndian,
      bytes.count - header.dataOffset == header.shape.elementCount * size
    else {
      var found = "\(header.dtype.rawValue) \(header.shape)"
      if header.isBigEndian { found = "big-endian \(found)" }
      if header.isFortranOrder && header.shape.rank > 1 {
        found += " in Fortran's order, columns first"
      }
      throw CheckpointError(
        .usage, "not an array of tokens",
        expected: "little-endian int32 or int64, [tokens] or [rows, tokens]",
        found: found)
    }
    let values = (0..<header.shape.elementCount).map { index -> Int in
      let start = header.dataOffset + index * size
      let value = bytes[start..<start + size].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return size == 4
        ? Int(Int32(truncatingIfNeeded: value)) : Int(Int64(truncatingIfNeeded: value))
    }
    if let token = values.first(where: { $0 < 0 }) {
      throw CheckpointError(
        .usage, "not a token", expected: "ids from 0 on", found: "\(token)")
    }
    guard header.shape.rank == 2 else { return [values] }
    let (rows, length) = (header.shape.dimensions[0], header.shape.dimensions[1])
    return (0..<rows).map { Array(values[$0 * length..<($0 + 1) * length]) }
  }

  private static func json(_ bytes: [UInt8]) throws(CheckpointError) -> [[Int]] {
    let document = try JSONValue(parsing: bytes)
    guard let elements = document.elements else {
      throw CheckpointError(.usage, "not an array of tokens", found: document.shortText)
    }
    if elements.first?.elements == nil { return [try row(document)] }
    var rows: [[Int]] = []
    for element in elements { rows.append(try row(element)) }
    return rows
  }

  private static func row(_ value: JSONValue) throws(CheckpointError) -> [Int] {
    var tokens: [Int] = []
    for element in value.elements ?? [] {
      guard let token = element.integer, token >= 0 else {
        throw CheckpointError(
          .usage, "not a token", expected: "ids from 0 on", found: element.shortText)
      }
      tokens.append(token)
    }
    return tokens
  }
}
