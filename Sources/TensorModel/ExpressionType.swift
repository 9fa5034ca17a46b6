extension TensorExpression {
  /// Matrices of a stack that is turned: far more than any layer has experts.
  private static let maximumStackCount = 1 << 14

  private var hasTranspose: Bool {
    if case .transpose = self { return true }
    return operands.contains { $0.hasTranspose }
  }

  /// The dtype and shape of the result, after checking that every operation fits its operands.
  ///
  /// - Parameter stored: the type of a stored tensor, nil if there is none of that name.
  /// - Returns: the result's type.
  /// - Throws: `missing` for an unknown tensor, `malformed` where shapes or dtypes don't fit.
  public func type(
    stored: (String) -> TensorType?
  ) throws(CheckpointError) -> TensorType {
    switch self {
    case .stored(let name):
      guard let type = stored(name) else {
        throw CheckpointError(.missing, "no such tensor in the source", tensor: name)
      }
      return type
    case .concatenate(let parts, let axis):
      return try concatenated(Self.types(of: parts, stored), axis: axis)
    case .transpose(let operand):
      let type = try operand.type(stored: stored)
      guard (2...3).contains(type.shape.rank), type.dtype.blockElementCount == 1 else {
        throw misfit("transpose needs a matrix of whole-byte elements, or a stack of them", type)
      }
      // A stack becomes as many parts as it has matrices: never parts of parts.
      guard
        type.shape.rank == 2
          || type.shape.dimensions[0] <= Self.maximumStackCount && !operand.hasTranspose
      else { throw misfit("a stack of so many matrices, or one that is turned twice", type) }
      return TensorType(type.dtype, type.shape.transposed)
    case .reshape(let operand, let shape):
      let type = try operand.type(stored: stored)
      // Rows of blocks stay whole.
      let keepsBlocks =
        type.dtype.blockElementCount == 1
        || (shape.dimensions.last ?? 0).isMultiple(of: type.dtype.blockElementCount)
      guard type.shape.elementCount == shape.elementCount, keepsBlocks else {
        throw misfit("can't have the shape \(shape)", type)
      }
      return TensorType(type.dtype, shape)
    case .squeeze(let operand):
      let type = try operand.type(stored: stored)
      guard type.shape.rank == 2, type.shape.dimensions[0] == 1, type.dtype.blockElementCount == 1
      else { throw misfit("squeeze needs a matrix of one row of whole-byte elements", type) }
      return TensorType(type.dtype, [type.shape.dimensions[1]])
    case .sum(let parts), .mean(let parts):
      let types = try Self.types(of: parts, stored)
      guard let first = types.first else {
        throw CheckpointError(.malformed, "a sum or mean of nothing")
      }
      for type in types where type.shape != first.shape || !type.dtype.isCastable {
        throw misfit("sum and mean need float tensors of shape \(first.shape)", type)
      }
      return TensorType(.f32, first.shape)
    case .addRow(let matrix, let row):
      let (matrixType, rowType) = (try matrix.type(stored: stored), try row.type(stored: stored))
      guard matrixType.shape.rank == 2, rowType.shape.rank == 1,
        matrixType.shape.dimensions[1] == rowType.shape.dimensions[0],
        matrixType.dtype.isCastable, rowType.dtype.isCastable
      else {
        throw misfit(
          "addRow needs a row as long as the matrix \(matrixType.shape) is wide", rowType)
      }
      return TensorType(.f32, matrixType.shape)
    case .slice(let operand, let axis, let range):
      let type = try operand.type(stored: stored)
      let isWhole = type.dtype.blockElementCount == 1
      guard axis < min(type.shape.rank, 2), axis == 0 || type.shape.rank == 2 && isWhole,
        isWhole || type.dtype.isBlockQuantized && type.shape.rank > 1, range.lowerBound >= 0,
        range.upperBound <= type.shape.dimensions[axis]
      else { throw misfit("slice \(range) of axis \(axis) doesn't exist", type) }
      var dimensions = type.shape.dimensions
      dimensions[axis] = range.count
      return TensorType(type.dtype, Shape(dimensions))
    case .permuteRows(let operand, let permutation):
      let type = try operand.type(stored: stored)
      let isPacked = type.dtype.blockElementCount > 1 && !type.dtype.isBlockQuantized
      guard permutation.isValid, type.shape.dimensions.first == permutation.rowCount, !isPacked,
        !type.dtype.isBlockQuantized || type.shape.rank > 1
      else { throw misfit("can't be put in another order: \(permutation)", type) }
      return type
    case .cast(let operand, let dtype):
      let type = try operand.type(stored: stored)
      guard type.dtype.hasFloatValues, dtype.hasFloatValues else {
        throw misfit("only F64, F32, F16 and BF16 can be cast, not to \(dtype.rawValue)", type)
      }
      return try blocks(type, dtype)
    case .quantize(let operand, let dtype, let method):
      let type = try operand.type(stored: stored)
      guard type.dtype.hasFloatValues, dtype.isBlockQuantized,
        method.fits(type.shape)
      else {
        throw misfit(
          "\(method.importance?.values.count ?? 0) importances can't make it \(dtype.rawValue)",
          type)
      }
      return try blocks(type, dtype)
    case .blocks(let parts, let dtype):
      return try Self.blocks(Self.types(of: parts, stored), dtype, misfit)
    case .codes(let operand): return try part(.codes, of: operand.type(stored: stored))
    case .scales(let operand): return try part(.scales, of: operand.type(stored: stored))
    case .biases(let operand): return try part(.biases, of: operand.type(stored: stored))
    case .decode, .spread, .gather, .lookUp, .combine:
      return TensorType(.f32, try packedShape(stored, misfit))
    case .encode(let operand, let bits, let dtype):
      let type = try operand.type(stored: stored)
      guard type.dtype.isCastable, let rows = Self.cells(type.shape, bits: bits, dtype) else {
        throw misfit("numbers of \(bits) bits don't fill cells of \(dtype.rawValue)", type)
      }
      return TensorType(dtype, rows)
    case .pack(let operand, let format, let method):
      let type = try operand.type(stored: stored)
      guard let rows = format.type(ofRows: type), method.fits(type.shape)
      else {
        throw misfit(
          "\(format) needs a matrix of floats\(format.groupSize.map { " in groups of \($0)" } ?? "")",
          type)
      }
      return rows
    case .part(let operand, let part):
      let type = try operand.type(stored: stored)
      guard case .pack(let values, let format, _) = operand,
        let partType = format.type(of: part, try values.type(stored: stored))
      else { throw misfit("has no part that is called \(part.rawValue)", type) }
      return partType
    case .view(let operand, let wanted):
      let type = try operand.type(stored: stored)
      guard type.shape.rank == 2, wanted.shape.rank == 2, !type.dtype.isBlockQuantized,
        !wanted.dtype.isBlockQuantized, type.shape.dimensions[0] == wanted.shape.dimensions[0],
        type.geometry.rowByteCount == wanted.geometry.rowByteCount
      else { throw misfit("rows can't be \(wanted.dtype.rawValue) \(wanted.shape)", type) }
      return wanted
    case .fill(let value, let type):
      guard value.bytes(in: type.dtype) != nil else {
        throw misfit("nothing can be filled with \(value)", type)
      }
      return type
    }
  }

  /// The type of blocks that are made of parts.
  private static func blocks(
    _ parts: [TensorType], _ dtype: DType, _ misfit: (String, TensorType) -> CheckpointError
  ) throws(CheckpointError) -> TensorType {
    guard let first = parts.first else {
      throw CheckpointError(.malformed, "blocks of nothing")
    }
    guard let format = BlockParts(dtype), parts.count == format.parts.count else {
      throw misfit("\(parts.count) parts don't make blocks of \(dtype.rawValue)", first)
    }
    let blocks = parts[1].shape.dimensions
    guard !blocks.isEmpty,
      zip(format.parts, parts).allSatisfy({
        $1.dtype == format.dtype(of: $0) && $1.shape.dimensions == blocks + format.extents(of: $0)
      })
    else { throw misfit("parts \(parts[1].shape) don't make blocks of \(dtype.rawValue)", first) }
    return TensorType(
      dtype,
      try Shape(checking: blocks.dropLast() + [(blocks.last ?? 0) * dtype.blockElementCount]))
  }

  /// The type of a part of blocks.
  private func part(
    _ part: PackedFormat.Part, of type: TensorType
  ) throws(CheckpointError) -> TensorType {
    guard let format = BlockParts(type.dtype), format.parts.contains(part),
      let last = type.shape.dimensions.last
    else { throw misfit("has no part that is called \(part.rawValue)", type) }
    let blocks = type.shape.dimensions.dropLast() + [last / type.dtype.blockElementCount]
    return TensorType(
      format.dtype(of: part), try Shape(checking: blocks + format.extents(of: part)))
  }

  /// The type after a cast; rows of a block format are whole blocks.
  private func blocks(_ type: TensorType, _ dtype: DType) throws(CheckpointError) -> TensorType {
    let isFilled = (type.shape.dimensions.last ?? 0).isMultiple(of: dtype.blockElementCount)
    guard !dtype.isBlockQuantized || isFilled else {
      throw misfit(
        "rows don't fill blocks of \(dtype.blockElementCount), as \(dtype.rawValue) has them", type)
    }
    return TensorType(dtype, type.shape)
  }

  private static func types(
    of parts: [TensorExpression], _ stored: (String) -> TensorType?
  ) throws(CheckpointError) -> [TensorType] {
    var types: [TensorType] = []
    for part in parts { types.append(try part.type(stored: stored)) }
    return types
  }

  private func concatenated(
    _ types: [TensorType], axis: Int
  ) throws(CheckpointError) -> TensorType {
    guard let first = types.first else {
      throw CheckpointError(.malformed, "a concatenation of nothing")
    }
    let isWhole = first.dtype.blockElementCount == 1
    guard axis < first.shape.rank, axis == 0 || first.shape.rank == 2 && isWhole,
      isWhole || first.dtype.isBlockQuantized && first.shape.rank > 1
    else { throw misfit("can't be concatenated along axis \(axis)", first) }
    var dimensions = first.shape.dimensions
    dimensions[axis] = 0
    for type in types {
      var others = type.shape.dimensions
      guard type.dtype == first.dtype, others.count == dimensions.count else {
        throw misfit(
          "concatenation of unlike tensors, the first is \(first.dtype.rawValue) \(first.shape)",
          type)
      }
      dimensions[axis] += others[axis]
      others[axis] = dimensions[axis]
      guard others == dimensions else {
        throw misfit(
          "concatenation of unlike tensors, the first is \(first.dtype.rawValue) \(first.shape)",
          type)
      }
    }
    return TensorType(first.dtype, try Shape(checking: dimensions))
  }

  private func misfit(_ message: String, _ type: TensorType) -> CheckpointError {
    CheckpointError(
      .malformed, message, tensor: sources.first, found: "\(type.dtype.rawValue) \(type.shape)")
  }
}
