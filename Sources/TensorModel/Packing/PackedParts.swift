extension PackedFormat {
  /// Whether rows of so many weights can be stored.
  public func fits(columns: Int) -> Bool {
    // Blocks over several rows have margins, groups of a row have not.
    columns > 0 && (rowCount > 1 || columns.isMultiple(of: groupSize ?? 1))
  }

  /// The type of a part of a matrix.
  ///
  /// - Parameters:
  ///   - part: one of `parts`.
  ///   - matrix: rows of whole groups, F32, F16 or BF16.
  /// - Returns: the type: words for codes, the matrix's dtype or a byte for what belongs to a group; nil for other matrices and parts.
  public func type(of part: Part, _ matrix: TensorType) -> TensorType? {
    guard matrix.shape.rank == 2, [.f32, .f16, .bf16].contains(matrix.dtype), parts.contains(part),
      case let (rows, columns) = (matrix.shape.dimensions[0], matrix.shape.dimensions[1]),
      rows > 0, fits(columns: columns)
    else { return nil }
    switch part {
    case .codes:
      let wordBits = codes.blockByteCount * 8
      return TensorType(codes, [rows, (columns * bits + wordBits - 1) / wordBits])
    case .scales, .biases:
      let group = groupSize ?? columns
      return TensorType(
        scales ?? matrix.dtype,
        [(rows + rowCount - 1) / rowCount, (columns + group - 1) / group])
    case .shape: return TensorType(.i64, [2])
    case .tensorScale: return TensorType(.f32, [1])
    }
  }

  /// A part that is the same whatever the values are; nil for others, and for a scale that isn't known.
  ///
  /// - Parameters:
  ///   - part: one of `parts`.
  ///   - matrix: as for `type`.
  /// - Returns: its elements.
  public func constants(of part: Part, _ matrix: TensorType) -> [FillValue]? {
    switch part {
    case .codes, .scales, .biases: nil
    case .shape: matrix.shape.dimensions.map { FillValue(Double($0)) }
    case .tensorScale: tensorScale.map { [FillValue(Double($0))] }
    }
  }

  /// Rows of a matrix that share a row of a part.
  public func sharedRowCount(of part: Part, _ matrix: TensorType) -> Int {
    switch part {
    case .codes: 1
    case .scales, .biases: rowCount
    case .shape, .tensorScale: matrix.shape.dimensions.first ?? 1
    }
  }

  /// The bytes of a part in a row of a matrix; nil as for `type`.
  public func bytes(of part: Part, _ matrix: TensorType) -> Range<Int>? {
    var start = 0
    for candidate in parts {
      guard let type = type(of: candidate, matrix) else { return nil }
      // What belongs to the whole matrix stands in every row.
      let elements = type.shape.dimensions.last ?? 1
      let end = start + elements * type.dtype.blockByteCount
      if candidate == part { return start..<end }
      start = end
    }
    return nil
  }

  /// The type of whole rows: bytes of all parts, one after the other, each row with what it shares; nil as for `type`.
  public func type(ofRows matrix: TensorType) -> TensorType? {
    guard let last = parts.last, let end = bytes(of: last, matrix)?.upperBound else { return nil }
    return TensorType(.u8, [matrix.shape.dimensions[0], end])
  }
}
