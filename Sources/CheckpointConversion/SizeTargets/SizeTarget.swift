/// How large the tensors of a quantization may become.
public enum SizeTarget: Hashable, Sendable {
  /// Bits of all tensors for each weight.
  case bitsPerWeight(Double)
  /// Bytes of all tensors.
  case byteCount(Int)

  /// The bytes that it comes to.
  func byteLimit(weightCount: Int) -> Int {
    switch self {
    // Bits that a report has printed with nine digits are those that they stand for.
    case .bitsPerWeight(let bits):
      Int(min(bits * Double(weightCount) / 8 * (1 + 1e-9), 1e18).rounded(.down))
    case .byteCount(let count): count
    }
  }
}

/// What became of a target, as documents have it.
public struct SizeTargetRecord: Sendable, Codable, Hashable {
  /// The bits for each weight that were asked for; absent where bytes were.
  public let wantedBitsPerWeight: Double?
  /// The bytes that were asked for; absent where bits were.
  public let wantedByteCount: Int?
  /// What the choice was expected to come to.
  public let predicted: Figures
  /// What it came to; absent as long as nothing is written.
  public internal(set) var measured: Figures?
  /// The smallest scheme that is at least as large; absent where there is none.
  public let preset: Preset?
  /// What choices of types, and the preset, cost where they were run beside the source; absent where they weren't.
  public let trials: [Trial]?
  /// What kinds of weight cost where each was run alone; absent where they weren't.
  public let sensitivities: [Sensitivity]?
  /// Whether the preset costs predictions less: by what was run, else as it is expected.
  public let isPresetBetter: Bool
  /// Whether the preset is what is written.
  public let isPresetTaken: Bool
  /// Bytes by which the preset that is written is larger than what was asked for; absent where it isn't.
  public let excessByteCount: Int?

  /// Size and error.
  public struct Figures: Sendable, Codable, Hashable {
    /// Bytes of all tensors.
    public let byteCount: Int
    /// Bits of all tensors for each weight.
    public let bitsPerWeight: Double
    /// ‖x - y‖ / ‖x‖ over all quantized weights together.
    public let relativeRmse: Double
  }

  /// Types for all weights, run beside the source.
  public struct Trial: Sendable, Codable, Hashable {
    /// The preset; absent for chosen types.
    public let scheme: String?
    /// Bytes of all tensors.
    public let byteCount: Int
    /// The mean Kullback-Leibler divergence in nats; absent where no numbers are computed.
    public let klDivergence: Double?
    /// Whether it is the best of the chosen ones.
    public let isBest: Bool
  }

  /// What errors in a kind of weight cost predictions, measured.
  public struct Sensitivity: Sendable, Codable, Hashable {
    /// What the weights are for.
    public let kind: String
    /// Their first layer, from 0; absent where they belong to none.
    public let firstLayer: Int?
    /// Their last layer.
    public let lastLayer: Int?
    /// What it cost to quantize them alone over what was expected; the geometric mean of all kinds is 1.
    public let factor: Double
  }

  /// A scheme, quantized in the format's own way.
  public struct Preset: Sendable, Codable, Hashable {
    /// Its name.
    public let scheme: String
    /// Its size and error.
    public let figures: Figures
    /// What it is expected to cost predictions, over what is expected of the choice; nil where that costs nothing.
    public let relativeCost: Double?

    private enum CodingKeys: String, CodingKey { case scheme, relativeCost }

    init(scheme: String, figures: Figures, relativeCost: Double?) {
      self.scheme = scheme
      self.figures = figures
      self.relativeCost = relativeCost
    }

    /// Reads what `encode` writes.
    public init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      scheme = try container.decode(String.self, forKey: .scheme)
      relativeCost = try container.decodeIfPresent(Double.self, forKey: .relativeCost)
      figures = try Figures(from: decoder)
    }

    /// Figures stand beside the name.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(scheme, forKey: .scheme)
      try container.encodeIfPresent(relativeCost, forKey: .relativeCost)
      try figures.encode(to: encoder)
    }
  }
}
