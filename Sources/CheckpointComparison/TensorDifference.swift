public import ModelArchitectures
public import TensorModel

/// How a tensor of one checkpoint relates to the one of the same name in another.
public struct TensorDifference: Sendable, Hashable, Encodable {
  /// The canonical name.
  public let name: String
  /// What it is for, and in which layer.
  public let place: WeightPlace
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
  /// The rank of the change; nil where it wasn't asked for, and where no values were compared.
  public let rank: ChangeRank?

  /// What is different.
  public enum Relation: String, Sendable, Hashable, CaseIterable, Encodable {
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

  private enum CodingKeys: String, CodingKey {
    case name, kind, layer, stack, relation, first, second, values, differingCount, zeroSignCount
    case firstIndex, rank
  }

  /// Writes what there is.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(place.kind, forKey: .kind)
    try container.encode(place.layer, forKey: .layer)
    try container.encodeIfPresent(place.stack, forKey: .stack)
    try container.encode(relation, forKey: .relation)
    try container.encodeIfPresent(first, forKey: .first)
    try container.encodeIfPresent(second, forKey: .second)
    try container.encodeIfPresent(values, forKey: .values)
    try container.encodeIfPresent(differingCount, forKey: .differingCount)
    try container.encodeIfPresent(zeroSignCount, forKey: .zeroSignCount)
    try container.encodeIfPresent(firstIndex, forKey: .firstIndex)
    try container.encodeIfPresent(rank, forKey: .rank)
  }
}

/// How far two tensors' values are apart; NaNs are left out.
public struct ValueDifference: Sendable, Hashable, Encodable {
  /// The largest |a − b|.
  public let maxAbsolute: Double
  /// The root mean square of a − b.
  public let rms: Double
  /// The largest |a − b| in units of the dtype's spacing at the larger of both; nil where the dtypes differ, and for blocks.
  public let maxUlp: Double?
  /// ‖a − b‖ / ‖a‖.
  public let relativeL2: Double
  /// a · b / (‖a‖ ‖b‖).
  public let cosine: Double

  private enum CodingKeys: String, CodingKey {
    case maxAbsolute = "maxAbs"
    case rms, maxUlp
    case relativeL2 = "relative_l2"
    case cosine
    case reason
  }

  /// Writes what is infinite, isn't a number because of that, or has no ulp, as null with the reason.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    let figures = [
      (CodingKeys.maxAbsolute, maxAbsolute), (.rms, rms), (.relativeL2, relativeL2),
      (.cosine, cosine), (.maxUlp, maxUlp ?? 0),
    ]
    for (key, value) in figures { try container.encodeFinite(value, forKey: key) }
    var reasons: [String] = []
    if maxUlp == nil {
      try container.encodeNil(forKey: .maxUlp)
      reasons.append("ulps are of one float dtype that both have")
    }
    if !figures.allSatisfy(\.1.isFinite) {
      reasons.append("a value, or its square, is infinite")
    }
    if !reasons.isEmpty { try container.encode(reasons.joined(separator: "; "), forKey: .reason) }
  }
}
