import TensorModel

/// A quantized weight whose codes and scales another format has too: its parts are moved, and no value is computed.
struct Repacking {
  /// The other format's parts, in its order.
  let parts: [Part]
  /// The dtype of scales that are floats; F32 where there are none.
  let dtype: DType
  /// What has to hold, or the numbers aren't the other format's.
  let condition: ZeroThroughout

  /// A part of a weight.
  struct Part {
    /// What it is made of.
    let expression: TensorExpression
    /// The same for each row of the weight: what belongs to the whole matrix stands in every row.
    let rows: TensorExpression
  }

  /// Repacks values for a format of several tensors; nil where that has other numbers, or groups.
  ///
  /// - Parameters:
  ///   - values: as codes and scales give them, without a cast, or blocks.
  ///   - shape: theirs.
  ///   - format: to be written.
  ///   - asked: the dtype that values are to have; nil keeps it.
  ///   - type: of stored tensors.
  init?(
    _ values: TensorExpression, _ shape: Shape, _ format: PackedFormat, as asked: DType?,
    type: (String) -> TensorType?
  ) {
    guard format.rowCount == 1, shape.rank == 2 else { return nil }
    let moved: RepackedParts
    if let size = format.groupSize,
      let floats = FloatCodes(values, shape, size, type: type)?.parts(format.coding)
    {
      (dtype, moved) = (.f32, floats)
    } else if [.affine, .symmetric].contains(format.coding), [.u32, .i32].contains(format.codes),
      let integers = AffineCodes(values, shape, format.groupSize, type: type),
      // With scales of 16 bits no product or sum is rounded: codes less half their range are multiples of the scale.
      [.f16, .bf16].contains(integers.scaleType.dtype),
      asked == nil || asked == integers.scaleType.dtype,
      let parts = integers.parts(
        bits: format.bits, in: format.codes, scales: integers.scaleType.dtype,
        hasBiases: format.coding == .affine)
    {
      (dtype, moved) = (integers.scaleType.dtype, parts)
    } else {
      return nil
    }
    let matrix = TensorType(dtype, shape)
    let format = format.hasTensorScale ? format.scaled(by: 1) : format
    var parts: [Part] = []
    for part in format.parts {
      guard let wanted = format.type(of: part, matrix) else { return nil }
      if let constants = format.constants(of: part, matrix) {
        parts.append(Part(constants, wanted.dtype, rowCount: shape.dimensions[0]))
        continue
      }
      guard let cells = moved.parts[part]?.asRows(wanted, type) else { return nil }
      parts.append(Part(expression: cells, rows: cells))
    }
    self.parts = parts
    condition = ZeroThroughout(moved.remainders)
  }

  /// Repacks values as blocks; nil where these have other numbers, or groups.
  ///
  /// - Parameters:
  ///   - values: as codes and scales give them, without a cast.
  ///   - shape: theirs.
  ///   - blocks: to be written.
  ///   - type: of stored tensors.
  /// - Returns: the blocks, and what has to hold, or the numbers are others.
  static func blocks(
    _ values: TensorExpression, _ shape: Shape, _ blocks: BlockParts,
    type: (String) -> TensorType?
  ) -> (expression: TensorExpression, condition: ZeroThroughout)? {
    let size = blocks.dtype.blockElementCount
    guard shape.rank == 2, shape.dimensions[1].isMultiple(of: size),
      let own = try? values.type(stored: type), own.dtype != blocks.dtype
    else { return nil }
    let moved: RepackedParts? =
      blocks.isOfIntegers
      ? AffineCodes(values, shape, size, type: type)?.parts(
        bits: blocks.bits, in: .u32, scales: .f16, hasBiases: blocks.hasBiases)
      : FloatCodes(values, shape, size, type: type)?.parts(.mxfp4)
    guard let moved else { return nil }
    let (rows, groups) = (shape.dimensions[0], shape.dimensions[1] / size)
    var parts: [TensorExpression] = []
    for part in blocks.parts {
      let width = part == .codes ? groups * blocks.codeByteCount : groups
      let dtype: DType = part == .codes || !blocks.isOfIntegers ? .u8 : .f16
      guard let cells = moved.parts[part]?.asRows(TensorType(dtype, [rows, width]), type) else {
        return nil
      }
      parts.append(part == .codes ? .reshape(cells, [rows, groups, blocks.codeByteCount]) : cells)
    }
    let expression = TensorExpression.blocks(parts, blocks.dtype)
    guard (try? expression.type(stored: type)) == TensorType(blocks.dtype, shape) else {
      return nil
    }
    return (expression, ZeroThroughout(moved.remainders))
  }
}

extension TensorExpression {
  /// The rows' bytes as cells of integers; nil for other floats, and where rows have other lengths.
  fileprivate func asRows(
    _ wanted: TensorType, _ type: (String) -> TensorType?
  ) -> TensorExpression? {
    guard let own = try? self.type(stored: type) else { return nil }
    let cells = own == wanted || wanted.dtype.isCastable ? self : .view(self, wanted)
    return (try? cells.type(stored: type)) == wanted ? cells : nil
  }
}

extension Repacking.Part {
  /// Values that a format has of a matrix of so many rows, in a vector.
  fileprivate init(_ values: [FillValue], _ dtype: DType, rowCount: Int) {
    func row(_ shape: Shape, axis: Int) -> TensorExpression {
      let elements = values.map { TensorExpression.fill($0, TensorType(dtype, shape)) }
      return elements.count == 1 ? elements[0] : .concatenate(elements, axis: axis)
    }
    expression = row([1], axis: 0)
    rows = row([rowCount, 1], axis: 1)
  }
}
