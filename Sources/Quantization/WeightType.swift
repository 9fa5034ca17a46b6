public import TensorModel

/// What a weight can become: a dtype, also one of blocks, or a format of several tensors.
public enum WeightType: Hashable, Sendable {
  /// One tensor of a dtype.
  case dtype(DType)
  /// Codes, and beside them what they are multiplied with.
  case packed(PackedFormat)

  /// As documents say it: `Q4_K`, `F16`, `mlx-q4-g64`.
  public var name: String {
    switch self {
    case .dtype(let dtype): dtype.rawValue
    case .packed(let format): format.name
    }
  }

  /// The format of several tensors; nil for a dtype.
  public var packedFormat: PackedFormat? {
    if case .packed(let format) = self { format } else { nil }
  }

  /// Whether rows of so many weights can be of the type.
  public func fits(columns: Int) -> Bool {
    switch self {
    case .dtype(let dtype): columns.isMultiple(of: dtype.blockElementCount)
    case .packed(let format): format.fits(columns: columns)
    }
  }

  /// Weights of a row that share a scale; nil for all of them, 1 where each stands for itself.
  public var groupSize: Int? {
    switch self {
    case .dtype(let dtype): dtype.blockElementCount
    case .packed(let format): format.groupSize
    }
  }

  /// Bits of a weight with its share of the scales, which are taken for 16 bits where they have the weights' dtype; scales of whole rows don't count.
  public var bitsPerWeight: Double {
    switch self {
    case .dtype(let dtype): Double(dtype.blockByteCount * 8) / Double(dtype.blockElementCount)
    case .packed(let format):
      Double(format.bits)
        + (format.groupSize.map {
          Double(
            (format.scales.map { $0.blockByteCount * 8 } ?? 16) * (format.coding == .affine ? 2 : 1)
          )
            / Double($0 * format.rowCount)
        } ?? 0)
    }
  }

  /// Whether weights share scales.
  public var isQuantized: Bool { groupSize != 1 }
}

extension WeightType: Codable {
  /// The type of that name, as documents have it; nil if there is none.
  public init?(named name: String) {
    if let dtype = DType(rawValue: name) {
      self = .dtype(dtype)
    } else if let format = PackedFormat(named: name) {
      self = .packed(format)
    } else {
      return nil
    }
  }

  /// Reads the name.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let name = try container.decode(String.self)
    guard let type = WeightType(named: name) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(name)' is no type of weights")
    }
    self = type
  }

  /// Writes the name.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(name)
  }
}
