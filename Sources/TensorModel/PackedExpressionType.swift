extension TensorExpression {
  /// The extents of numbers that are made of packed codes, all of which are F32.
  ///
  /// - Parameters:
  ///   - stored: the type of a stored tensor, nil if there is none of that name.
  ///   - misfit: makes the error where an operand doesn't fit.
  /// - Returns: the extents.
  /// - Throws: `missing` for an unknown tensor, `malformed` where shapes or dtypes don't fit.
  func packedShape(
    _ stored: (String) -> TensorType?, _ misfit: (String, TensorType) -> CheckpointError
  ) throws(CheckpointError) -> Shape {
    switch self {
    case .decode(let operand, let code, let shape, let axis):
      let type = try operand.type(stored: stored)
      guard code.fits(type.dtype), Self.holds(type, code, shape, axis: axis) else {
        throw misfit("codes \(code) of a matrix \(shape) don't lie in it", type)
      }
      return shape
    case .spread(let operand, let shape, let block):
      let type = try operand.type(stored: stored)
      guard type.dtype.isCastable, shape.rank == 2, type.shape.rank == 2, block.count == 2,
        block.allSatisfy({ $0 > 0 }),
        (0..<2).allSatisfy({
          type.shape.dimensions[$0] == Self.count(shape.dimensions[$0], dividedBy: block[$0])
        })
      else {
        throw misfit(
          "blocks of \(block.map(String.init).joined(separator: " × ")) don't make \(shape) of it",
          type)
      }
      return shape
    case .gather(let operand, let rows):
      let (type, index) = (try operand.type(stored: stored), try rows.type(stored: stored))
      guard type.dtype.isCastable, type.shape.rank == 2, index.dtype == .i32,
        index.shape.rank == 1
      else { throw misfit("an index of I32 needs a float matrix, not \(type.shape)", index) }
      return try Shape(checking: [index.shape.elementCount, type.shape.dimensions[1]])
    case .lookUp(let table, let places):
      let (type, wanted) = (try table.type(stored: stored), try places.type(stored: stored))
      guard type.dtype.isCastable, type.shape.rank == 1, wanted.dtype == .f32,
        type.shape.elementCount <= 1 << 16
      else { throw misfit("not a table of values", type) }
      return wanted.shape
    case .combine(let operation, let left, let right):
      let (one, other) = (try left.type(stored: stored), try right.type(stored: stored))
      guard one.dtype.isCastable, other.dtype.isCastable, one.shape == other.shape else {
        throw misfit("a \(operation.rawValue) needs floats of the shape \(one.shape)", other)
      }
      return one.shape
    default: return try type(stored: stored).shape
    }
  }

  private static func count(_ extent: Int, dividedBy block: Int) -> Int {
    extent / block + (extent.isMultiple(of: block) ? 0 : 1)
  }

  /// The extents of rows of integers that just hold a matrix's codes.
  static func cells(_ shape: Shape, bits: Int, _ dtype: DType) -> Shape? {
    guard shape.rank == 2, (1...8).contains(bits), [.u8, .u32, .i32].contains(dtype) else {
      return nil
    }
    let (total, overflow) = shape.dimensions[1].multipliedReportingOverflow(by: bits)
    let cell = dtype.blockByteCount * 8
    guard !overflow, total.isMultiple(of: cell) else { return nil }
    return [shape.dimensions[0], total / cell]
  }

  /// Whether a matrix holds just the codes of another.
  private static func holds(
    _ type: TensorType, _ code: PackedCode, _ shape: Shape, axis: Int
  ) -> Bool {
    guard shape.rank == 2, type.shape.rank == 2, (0...1).contains(axis),
      axis == 1 || type.dtype.blockByteCount == 4 && code.canRunDown,
      shape.dimensions[1 - axis] == type.shape.dimensions[1 - axis]
    else { return false }
    let (bits, overflow) = shape.dimensions[axis].multipliedReportingOverflow(by: code.bits)
    return !overflow
      && type.shape.dimensions[axis] == count(bits, dividedBy: type.dtype.blockByteCount * 8)
  }
}
