/// Consecutive bytes of one part of a tensor that consists of several.
public struct SlabPart {
  /// Where the bytes begin in the part.
  public let byteOffset: Int
  /// The bytes; valid during the call.
  public let bytes: UnsafeRawBufferPointer
}

/// What a row of a result consists of: the rows of parts that are tensors of their own, one after the other.
///
/// The evaluator makes rows whole; each part then has its rows to itself, in order. Rows may share one of a part: each has it, and the first's counts.
public struct RowParts: Hashable, Sendable {
  /// The parts in order; one for a tensor that is no group of others.
  public let parts: [Part]

  /// A part of rows.
  public struct Part: Hashable, Sendable {
    /// Bytes that a row has of it.
    public let byteCount: Int
    /// Rows of the result that share one of the part.
    public let sharedRowCount: Int

    /// A part of so many bytes.
    public init(_ byteCount: Int, sharedRowCount: Int = 1) {
      self.byteCount = byteCount
      self.sharedRowCount = sharedRowCount
    }
  }

  /// Parts of rows, in order; together they are a row of the result.
  public init(_ parts: [Part]) { self.parts = parts }

  /// Whether there is more than one, so that rows have to be taken apart.
  var areSeveral: Bool { parts.count > 1 }

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
    let rowByteCount = parts.reduce(0) { $0 + $1.byteCount }
    var slabs: [SlabPart] = []
    var column = 0
    for part in parts {
      let base = target + column * rows.count
      let first = (rows.lowerBound + part.sharedRowCount - 1) / part.sharedRowCount
      var count = 0
      for row in stride(
        from: first * part.sharedRowCount, to: rows.upperBound, by: part.sharedRowCount)
      {
        (base + count * part.byteCount).copyMemory(
          from: source + (row - rows.lowerBound) * rowByteCount + column, byteCount: part.byteCount)
        count += 1
      }
      slabs.append(
        SlabPart(
          byteOffset: first * part.byteCount,
          bytes: UnsafeRawBufferPointer(start: base, count: count * part.byteCount)))
      column += part.byteCount
    }
    return slabs
  }
}
