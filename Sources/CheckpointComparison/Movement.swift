/// How far values were moved: of one tensor, or of several together.
///
/// With a the values of the first checkpoint and Δ what is added to them in the second. NaNs are left out.
public struct Movement: Sendable, Hashable {
  /// Elements of float tensors.
  public private(set) var elementCount = 0
  /// ‖a‖².
  public private(set) var squaredNorm = 0.0
  /// ‖Δ‖².
  public private(set) var squaredChange = 0.0
  /// The largest |Δ|.
  public private(set) var maxAbsolute = 0.0

  /// Nothing, which is moved by nothing.
  init() {}

  /// Of a tensor.
  init(elementCount: Int, squaredNorm: Double, squaredChange: Double, maxAbsolute: Double) {
    self.elementCount = elementCount
    self.squaredNorm = squaredNorm
    self.squaredChange = squaredChange
    self.maxAbsolute = maxAbsolute
  }

  /// ‖Δ‖ / ‖a‖: the root mean square of the change as a part of that of the values; 1 where all were zero and some aren't now.
  public var relativeL2: Double {
    squaredNorm > 0
      ? (squaredChange / squaredNorm).squareRoot() : squaredChange > 0 ? 1 : 0
  }

  /// The root mean square of Δ.
  public var rms: Double {
    elementCount > 0 ? (squaredChange / Double(elementCount)).squareRoot() : 0
  }

  /// Takes another tensor's into account.
  mutating func merge(_ other: Movement) {
    elementCount += other.elementCount
    squaredNorm += other.squaredNorm
    squaredChange += other.squaredChange
    maxAbsolute = max(maxAbsolute, other.maxAbsolute)
  }
}
