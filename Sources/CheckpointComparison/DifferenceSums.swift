/// Sums of which a `ValueDifference` is made, in f64.
struct DifferenceSums {
  var differingCount = 0
  var zeroSignCount = 0
  var firstCell: Int?
  var maxAbsolute = 0.0
  var maxUlp = 0.0
  var squaredDifference = 0.0
  var squaredFirst = 0.0
  var squaredSecond = 0.0
  var product = 0.0
  var isEqualRounded = true

  mutating func merge(_ other: DifferenceSums) {
    differingCount += other.differingCount
    zeroSignCount += other.zeroSignCount
    firstCell = [firstCell, other.firstCell].compactMap { $0 }.min()
    maxAbsolute = max(maxAbsolute, other.maxAbsolute)
    maxUlp = max(maxUlp, other.maxUlp)
    squaredDifference += other.squaredDifference
    squaredFirst += other.squaredFirst
    squaredSecond += other.squaredSecond
    product += other.product
    isEqualRounded = isEqualRounded && other.isEqualRounded
  }

  /// What they come to.
  ///
  /// - Parameters:
  ///   - elementCount: of the tensor.
  ///   - hasUlps: whether `maxUlp` is of a dtype that both tensors have.
  /// - Returns: the distances.
  func values(_ elementCount: Int, hasUlps: Bool) -> ValueDifference {
    let norms = (squaredFirst * squaredSecond).squareRoot()
    let movement = movement(elementCount)
    return ValueDifference(
      maxAbsolute: maxAbsolute, rms: movement.rms, maxUlp: hasUlps ? maxUlp : nil,
      relativeL2: movement.relativeL2,
      cosine: norms > 0 ? product / norms : squaredDifference > 0 ? 0 : 1)
  }

  /// How far values were moved, of a tensor of so many elements.
  func movement(_ elementCount: Int) -> Movement {
    Movement(
      elementCount: elementCount, squaredNorm: squaredFirst, squaredChange: squaredDifference,
      maxAbsolute: maxAbsolute)
  }
}
