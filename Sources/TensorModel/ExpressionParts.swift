extension Shape {
  /// With the last two extents exchanged; of a vector as it is.
  public var transposed: Shape {
    guard rank > 1 else { return self }
    return Shape(dimensions.dropLast(2) + dimensions.suffix(2).reversed())
  }
}

extension TensorExpression {
  /// The same elements in other extents, without a step where they have them already.
  ///
  /// - Parameters:
  ///   - shape: of as many elements.
  ///   - current: the extents that they have.
  /// - Returns: the expression.
  public func reshaped(_ shape: Shape, from current: Shape) -> TensorExpression {
    if shape == current { return self }
    if case .reshape(let operand, _) = self { return .reshape(operand, shape) }
    return .reshape(self, shape)
  }

  /// The matrix with rows and columns exchanged; exchanged twice it is as it was.
  public var transposed: TensorExpression {
    if case .transpose(let operand) = self { operand } else { .transpose(self) }
  }

  /// A part of the tensor, taken from as few stored tensors as it lies in.
  ///
  /// - Parameters:
  ///   - axis: along which it is cut.
  ///   - range: of the index.
  ///   - stored: the type of a stored tensor, nil if there is none of that name.
  /// - Returns: the part; the tensor itself if that is all of it.
  /// - Throws: what `type` throws.
  public func sliced(
    axis: Int, range: Range<Int>, stored: (String) -> TensorType?
  ) throws(CheckpointError) -> TensorExpression {
    switch self {
    case .transpose(let operand) where try type(stored: stored).shape.rank == 2:
      return try operand.sliced(axis: 1 - axis, range: range, stored: stored).transposed
    case .squeeze(let operand) where axis == 0:
      return .squeeze(try operand.sliced(axis: 1, range: range, stored: stored))
    case .concatenate(let parts, axis):
      var touched: [TensorExpression] = []
      var start = 0
      for part in parts {
        let extent = try part.type(stored: stored).shape.dimensions[axis]
        let shared = range.clamped(to: start..<start + extent)
        if !shared.isEmpty {
          touched.append(
            try part.sliced(
              axis: axis, range: shared.lowerBound - start..<shared.upperBound - start,
              stored: stored))
        }
        start += extent
      }
      guard let only = touched.first else { return .slice(self, axis: axis, range: range) }
      return touched.count == 1 ? only : .concatenate(touched, axis: axis)
    default:
      let isWhole = try type(stored: stored).shape.dimensions[axis] == range.count
      return isWhole ? self : .slice(self, axis: axis, range: range)
    }
  }
}
