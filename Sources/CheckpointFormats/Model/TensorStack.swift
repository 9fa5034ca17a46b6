public import TensorModel

/// What a layer has several of, such as experts, as one tensor: `[count, …]`.
public struct TensorStack: Sendable {
  /// How it is computed.
  public private(set) var expression: TensorExpression
  /// Its dtype and shape, the number of members first.
  public private(set) var type: TensorType

  init(_ expression: TensorExpression, _ type: TensorType) {
    self.expression = expression
    self.type = type
  }

  /// Members of one type, one after the other.
  init(_ members: [TensorExpression], each type: TensorType) {
    let extents = type.shape.dimensions
    let isVector = extents.count < 2
    let rows =
      isVector ? [members.count * extents[0]] : [members.count * extents[0]] + extents[1...]
    self.init(
      (members.count == 1 ? members[0] : .concatenate(members, axis: 0))
        .reshaped(Shape([members.count] + extents), from: Shape(rows)),
      TensorType(type.dtype, Shape([members.count] + extents)))
  }

  /// How many members there are.
  public var count: Int { type.shape.dimensions[0] }

  /// One member.
  ///
  /// - Parameter number: from 0.
  /// - Returns: its expression and type.
  func member(_ number: Int) -> (expression: TensorExpression, type: TensorType) {
    let extents = Array(type.shape.dimensions[1...])
    let one = only(number)
    return (
      one.expression.reshaped(Shape(extents), from: one.type.shape),
      TensorType(type.dtype, Shape(extents))
    )
  }

  /// A stack of one of its members.
  func only(_ number: Int) -> TensorStack {
    if count == 1 { return self }
    return TensorStack(
      .slice(expression, axis: 0, range: number..<number + 1),
      TensorType(type.dtype, Shape([1] + type.shape.dimensions[1...])))
  }

  /// Each member's rows and columns exchanged.
  var transposed: TensorStack {
    TensorStack(expression.transposed, TensorType(type.dtype, type.shape.transposed))
  }

  /// The same elements in a dtype.
  func cast(to dtype: DType) -> TensorStack {
    if type.dtype == dtype { return self }
    let values = asValues
    return values.type.dtype == dtype
      ? values : TensorStack(.cast(values.expression, dtype), TensorType(dtype, type.shape))
  }

  /// Values instead of blocks.
  var asValues: TensorStack {
    guard type.dtype.isBlockQuantized else { return self }
    let values: TensorExpression =
      if case .blocks(let parts, .mxfp4) = expression {
        MXFP4Blocks.values(parts[0], parts[1], type.shape)
      } else {
        .cast(expression, .f32)
      }
    return TensorStack(values, TensorType(.f32, type.shape))
  }

  // MARK: Gates and values

  /// Gates and values of members that have both, `[count, 2 n, …]`.
  ///
  /// - Parameter inTurn: whether they alternate; else all gates come first.
  /// - Returns: two stacks, `[count, n, …]`.
  func separated(inTurn: Bool) -> [TensorStack] {
    let (both, rest) = (type.shape.dimensions[1], type.shape.dimensions[2...])
    let half = both / 2
    var rows = expression.reshaped(Shape([count * both] + rest), from: type.shape)
    if inTurn {
      rows = .permuteRows(
        rows, RowPermutation(.halves(rotated: both), groupCount: count, groupRowCount: both))
    }
    if count > 1 {
      rows = .permuteRows(
        rows, RowPermutation(.parts(count: 2), groupCount: count, groupRowCount: both))
    }
    return [0, count * half].map { start in
      TensorStack(
        .slice(rows, axis: 0, range: start..<start + count * half)
          .reshaped(Shape([count, half] + rest), from: Shape([count * half] + rest)),
        TensorType(type.dtype, Shape([count, half] + rest)))
    }
  }

  /// Members that have both gates and values.
  init(gates: TensorStack, values: TensorStack, inTurn: Bool) {
    let dtype = DType.common([gates.type.dtype, values.type.dtype])
    let parts = [gates.cast(to: dtype), values.cast(to: dtype)]
    let (count, half) = (gates.count, gates.type.shape.dimensions[1])
    let rest = gates.type.shape.dimensions[2...]
    var rows = TensorExpression.concatenate(
      parts.map {
        $0.expression.reshaped(Shape([count * half] + rest), from: $0.type.shape)
      }, axis: 0)
    if count > 1 {
      rows = .permuteRows(
        rows, RowPermutation(.groups(parts: 2), groupCount: count, groupRowCount: 2 * half))
    }
    if inTurn {
      rows = .permuteRows(
        rows,
        RowPermutation(.interleaved(rotated: 2 * half), groupCount: count, groupRowCount: 2 * half))
    }
    let shape = Shape([count, 2 * half] + rest)
    self.init(
      rows.reshaped(shape, from: Shape([2 * count * half] + rest)),
      TensorType(parts[0].type.dtype, shape))
  }
}

extension DType {
  /// The dtype in which tensors stand side by side: their own where it is one, else one that has all of their values, those of blocks too.
  static func common(_ dtypes: [DType]) -> DType {
    guard let first = dtypes.first, dtypes.contains(where: { $0 != first }) else {
      return dtypes.first ?? .f32
    }
    return dtypes.contains(.f64) ? .f64 : .f32
  }
}
