/// The rank of a matrix's change Δ: the least r whose largest r singular values hold 90 % of ‖Δ‖², the sum of all their squares.
///
/// A merged LoRA adapter of rank 8 has at most 8, as long as what rounding to the dtype adds is less than a tenth of the change.
public enum ChangeRank: Sendable, Hashable, Encodable {
  /// The rank; 0 where nothing but signs of zeros changed.
  case exactly(Int)
  /// The rank is more than what is looked for, and at least this.
  case atLeast(Int)
  /// Why there is none.
  case unknown(reason: String)

  /// The part of ‖Δ‖² that the singular values must hold.
  public static let share = 0.9

  /// The largest rank that is looked for.
  public static let limit = 256

  /// The rank; nil where it isn't known.
  public var value: Int? { if case .exactly(let value) = self { value } else { nil } }

  /// Why there are no ranks where nobody asked for them.
  static let reasonWithoutRequest = "not asked for: --rank computes it"

  private enum CodingKeys: String, CodingKey { case value, atLeast, reason }

  /// Writes a rank that isn't known as null, with the reason.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(value, forKey: .value)
    switch self {
    case .exactly: break
    case .atLeast(let least):
      try container.encode(least, forKey: .atLeast)
      try container.encode("ranks over \(Self.limit) aren't looked for", forKey: .reason)
    case .unknown(let reason): try container.encode(reason, forKey: .reason)
    }
  }
}
