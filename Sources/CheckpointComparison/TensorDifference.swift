public import TensorModel

/// How a tensor of one checkpoint relates to the one of the same name in another.
public struct TensorDifference: Sendable, Hashable, Encodable {
  /// The canonical name.
  public let name: String
  /// What is different.
  public let relation: Relation
  /// Dtype and shape in the first checkpoint; nil if it has no such tensor.
  public let first: Description?
  /// Dtype and shape in the second checkpoint; nil if it has no such tensor.
  public let second: Description?
  /// How far values are apart, where they are numbers and differ.
  public let values: ValueDifference?
  /// Elements that differ, where they were compared.
  public let differingCount: Int?
  /// Those of them that are zero in both checkpoints, with different signs; nil if there are none.
  public let zeroSignCount: Int?
  /// The indices of the first element that differs.
  public let firstIndex: [Int]?

  /// What is different.
  public enum Relation: String, Sendable, Hashable, Encodable {
    /// The first checkpoint lacks it.
    case missingInFirst = "missing_in_first"
    /// The second checkpoint lacks it.
    case missingInSecond = "missing_in_second"
    /// The shapes differ.
    case shape
    /// The dtypes differ and the values don't.
    case equalAfterWidening = "equal_after_widening"
    /// The dtypes differ; the wider values rounded to the narrower dtype are the narrower ones.
    case equalAfterRounding = "equal_after_rounding"
    /// Values differ.
    case values

    /// Whether the difference is no more than the dtypes explain.
    public var isExplained: Bool { self == .equalAfterWidening || self == .equalAfterRounding }
  }

  /// A tensor's type.
  public struct Description: Sendable, Hashable, Encodable {
    /// The dtype.
    public let dtype: DType
    /// The extents.
    public let shape: Shape
  }
}

/// How far two tensors' values are apart; NaNs are left out.
public struct ValueDifference: Sendable, Hashable, Encodable {
  /// The largest |a − b|.
  public let maxAbsolute: Double
  /// The largest |a − b| in units of the narrower dtype's spacing at the larger of both.
  public let maxUlp: Double
  /// ‖a − b‖ / ‖a‖.
  public let relativeL2: Double
  /// a · b / (‖a‖ ‖b‖).
  public let cosine: Double

  private enum CodingKeys: String, CodingKey {
    case maxAbsolute = "maxAbs"
    case maxUlp
    case relativeL2 = "relative_l2"
    case cosine
    case reason
  }

  /// Writes what is infinite, or isn't a number because of that, as null with the reason: JSON has neither.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    for (key, value) in [
      (CodingKeys.maxAbsolute, maxAbsolute), (.maxUlp, maxUlp), (.relativeL2, relativeL2),
      (.cosine, cosine),
    ] {
      try container.encodeFinite(value, forKey: key)
    }
    if ![maxAbsolute, maxUlp, relativeL2, cosine].allSatisfy(\.isFinite) {
      try container.encode("a value, or its square, is infinite", forKey: .reason)
    }
  }
}

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

  var values: ValueDifference {
    let norms = (squaredFirst * squaredSecond).squareRoot()
    return ValueDifference(
      maxAbsolute: maxAbsolute, maxUlp: maxUlp,
      relativeL2: squaredFirst > 0
        ? (squaredDifference / squaredFirst).squareRoot() : squaredDifference > 0 ? 1 : 0,
      cosine: norms > 0 ? product / norms : squaredDifference > 0 ? 0 : 1)
  }
}
