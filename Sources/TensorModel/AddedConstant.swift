extension TensorExpression {
  /// The elements with a number added to each, in F32; what was taken away before is put back, which rounds nothing.
  ///
  /// - Parameters:
  ///   - constant: the number.
  ///   - shape: of the elements.
  /// - Returns: the sum, or what stands under one with the number's negative.
  public func adding(_ constant: FillValue, _ shape: Shape) -> TensorExpression {
    if let earlier = addedConstant, earlier.constant.number == -constant.number {
      return earlier.operand
    }
    return .sum([self, .fill(constant, TensorType(.f32, shape))])
  }

  /// What a number is added to, and the number; nil for all but such sums.
  public var addedConstant: (operand: TensorExpression, constant: FillValue)? {
    guard case .sum(let parts) = self, parts.count == 2, case .fill(let constant, _) = parts[1]
    else { return nil }
    return (parts[0], constant)
  }
}
