import Foundation
public import ReferenceForward
import TensorEvaluation
public import TensorModel

/// Two models run side by side on the same tokens, layer by layer: where they part, and by how much in the end.
public struct ForwardComparison: Sendable, Encodable {
  /// How far the residual streams are apart after each layer.
  public let layers: [LayerDistance]
  /// The first layer whose difference dtypes don't explain; nil if there is none.
  public let firstDivergence: Divergence?
  /// The largest difference of a logit; infinite where a model computes no numbers.
  public let maxAbsLogitDifference: Double
  /// Kullback-Leibler divergence of the second model's next-token distributions from the first's, in nats; infinite likewise.
  public let klDivergence: Distribution
  /// By how much the mean negative log-likelihood of the tokens is larger in the second model, in nats; nil for a single token.
  public let negativeLogLikelihoodIncrease: Double?
  /// Positions at which both find the same token likeliest; none where there are no numbers.
  public let sameTopFraction: Double
  /// Whether both models compute numbers at all positions: equal ones are no proof of anything otherwise.
  public let computesNumbers: Bool
  /// Positions that count: all tokens of one row; of windows those that they count.
  public let tokenCount: Int
  /// How many of the first tokens saw each other, in each model.
  public let prefixes: [Int]

  /// How far the residual streams are apart after a layer.
  public struct LayerDistance: Sendable, Hashable, Encodable {
    /// The layer, from 0.
    public let layer: Int
    /// ‖a − b‖ / ‖a‖ over all tokens.
    public let relativeL2: Double

    private enum CodingKeys: String, CodingKey {
      case layer
      case relativeL2 = "relative_l2"
    }

    /// Writes what is infinite as null.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(layer, forKey: .layer)
      try container.encodeFinite(relativeL2, forKey: .relativeL2)
    }
  }

  /// Where two models part.
  public struct Divergence: Sendable, Hashable, Encodable {
    /// The layer, from 0; nil for the embedding and the head.
    public let layer: Int?
    /// `embedding`, `attention`, `mlp` or `head`.
    public let sublayer: String
    /// The tensors there that differ by more than their dtypes explain.
    public let tensors: [String]
    /// The known mistake that explains it; nil if none does.
    public let cause: KnownMistake?

    private enum CodingKeys: String, CodingKey { case layer, sublayer, tensors, cause }

    /// Writes nothing as null.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(layer, forKey: .layer)
      try container.encode(sublayer, forKey: .sublayer)
      try container.encode(tensors, forKey: .tensors)
      try container.encode(cause, forKey: .cause)
    }
  }

  /// How values are distributed over positions.
  public struct Distribution: Sendable, Hashable, Encodable {
    /// The mean.
    public let mean: Double
    /// The median.
    public let median: Double
    /// 99 % are below.
    public let p99: Double
    /// The largest.
    public let max: Double

    init(_ values: [Double]) {
      let sorted = values.sorted()
      mean = sorted.isEmpty ? 0 : sorted.reduce(0, +) / Double(sorted.count)
      median = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
      p99 = sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
      max = sorted.last ?? 0
    }

    private enum CodingKeys: String, CodingKey { case mean, median, p99, max }

    /// Writes what is infinite as null.
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encodeFinite(mean, forKey: .mean)
      try container.encodeFinite(median, forKey: .median)
      try container.encodeFinite(p99, forKey: .p99)
      try container.encodeFinite(max, forKey: .max)
    }
  }

  private enum CodingKeys: String, CodingKey {
    case layers, firstDivergence, maxAbsLogitDifference, klDivergence, sameTopFraction, tokenCount,
      prefixes, negativeLogLikelihoodIncrease, reason
  }

  /// Why there are values that are null.
  private var reason: String? {
    let figures = [
      maxAbsLogitDifference, klDivergence.mean, klDivergence.max,
      negativeLogLikelihoodIncrease ?? 0,
    ]
    if !(figures + layers.map(\.relativeL2)).allSatisfy(\.isFinite) {
      return "a model computes no numbers (NaN or infinity)"
    }
    return negativeLogLikelihoodIncrease == nil ? "a likelihood takes two tokens" : nil
  }

  /// Writes nothing as null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(layers, forKey: .layers)
    try container.encode(firstDivergence, forKey: .firstDivergence)
    try container.encodeFinite(maxAbsLogitDifference, forKey: .maxAbsLogitDifference)
    try container.encode(klDivergence, forKey: .klDivergence)
    try container.encode(sameTopFraction, forKey: .sameTopFraction)
    try container.encodeFinite(
      negativeLogLikelihoodIncrease ?? .nan, forKey: .negativeLogLikelihoodIncrease)
    try container.encode(tokenCount, forKey: .tokenCount)
    try container.encode(prefixes, forKey: .prefixes)
    try container.encodeIfPresent(reason, forKey: .reason)
  }

  /// Runs both models.
  ///
  /// - Parameters:
  ///   - first: a decoder.
  ///   - second: another with as many layers, of the same width and vocabulary.
  ///   - windows: of tokens; they say which positions count.
  ///   - prefixes: how many of the first tokens see each other, in each model.
  ///   - differences: between their tensors.
  ///   - progress: told of each layer that is done.
  /// - Throws: `unsupported` for models of other sizes; what reading throws.
  public init(
    _ first: Decoder, _ second: Decoder, windows: TokenWindows, prefixes: (Int, Int) = (0, 0),
    differences: [TensorDifference], progress: (Int) -> Void = { _ in }
  ) throws(CheckpointError) {
    var run = try Lockstep(first, second, windows, prefixes, differences)
    try run.run(progress)
    let outcome = try run.outcome(windows)
    computesNumbers = outcome.computesNumbers
    maxAbsLogitDifference = computesNumbers ? outcome.largestDifference : .infinity
    klDivergence = Distribution(computesNumbers ? outcome.divergences : [.infinity])
    sameTopFraction = outcome.sameTopFraction
    negativeLogLikelihoodIncrease = outcome.negativeLogLikelihoodIncrease
    layers = run.distances
    firstDivergence = run.divergence
    tokenCount = outcome.positionCount
    self.prefixes = [prefixes.0, prefixes.1].map { min($0, windows.length) }
  }

  /// Runs both models on one sequence of tokens, whose positions all count.
  ///
  /// - Parameters:
  ///   - first: a decoder.
  ///   - second: another with as many layers, of the same width and vocabulary.
  ///   - tokens: at least one.
  ///   - prefixes: how many of the first tokens see each other, in each model.
  ///   - differences: between their tensors.
  ///   - progress: told of each layer that is done.
  /// - Throws: as with windows.
  public init(
    _ first: Decoder, _ second: Decoder, tokens: [Int], prefixes: (Int, Int) = (0, 0),
    differences: [TensorDifference], progress: (Int) -> Void = { _ in }
  ) throws(CheckpointError) {
    try self.init(
      first, second, windows: TokenWindows(rows: [tokens], length: max(1, tokens.count)),
      prefixes: prefixes, differences: differences, progress: progress)
  }
}

extension KeyedEncodingContainer {
  /// Writes a number, or null where it is none that JSON has.
  mutating func encodeFinite(_ value: Double, forKey key: Key) throws {
    if value.isFinite { try encode(value, forKey: key) } else { try encodeNil(forKey: key) }
  }
}
