/// Consecutive bytes of one part of a tensor that consists of several.
public struct SlabPart {
  /// Where the bytes begin in the part.
  public let byteOffset: Int
  /// The bytes; valid during the call.
  public let bytes: UnsafeRawBufferPointer
}

/// What a row of a result consists of: the rows of parts that are tensors of their own, one after the other.
///
/// The evaluator makes rows whole; each part then has its rows to itself, in order.
public struct RowParts: Hashable, Sendable {
  /// Bytes that a row has of each part; one for a tensor that is no group of others.
  public let byteCounts: [Int]

  /// Parts of rows.
  ///
  /// - Parameter byteCounts: of a row of each, in order; together they are a row of the result.
  public init(_ byteCounts: [Int]) { self.byteCounts = byteCounts }

  /// Whether there is more than one, so that rows have to be taken apart.
  var areSeveral: Bool { byteCounts.count > 1 }

  /// Takes whole rows apart.
  ///
  /// - Parameters:
  ///   - rows: which ones, of the result.
  ///   - source: holds them one after the other.
  ///   - target: as much room, for the first part's rows, then the second's.
  /// - Returns: the parts, which lie in `target`.
  func split(
    _ rows: Range<Int>, _ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer
  ) -> [SlabPart] {
    let rowByteCount = byteCounts.reduce(0, +)
    var parts: [SlabPart] = []
    var column = 0
    for byteCount in byteCounts {
      let base = target + column * rows.count
      for row in 0..<rows.count {
        (base + row * byteCount).copyMemory(
          from: source + row * rowByteCount + column, byteCount: byteCount)
      }
      parts.append(
        SlabPart(
          byteOffset: rows.lowerBound * byteCount,
          bytes: UnsafeRawBufferPointer(start: base, count: rows.count * byteCount)))
      column += byteCount
    }
    return parts
  }
}
