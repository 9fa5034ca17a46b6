public import CheckpointConversion
public import CheckpointFormats
import ModelArchitectures
public import ReferenceForward
public import TensorEvaluation
public import TensorModel

extension ForwardComparison {
  /// Tokens all over a vocabulary, always the same.
  ///
  /// - Parameters:
  ///   - count: how many.
  ///   - vocabulary: they are below.
  /// - Returns: their ids.
  public static func standardTokens(_ count: Int, vocabulary: Int) -> [Int] {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % vocabulary
    }
  }
}

/// Runs source and result of a conversion side by side on the same tokens.
public struct ForwardValidator: ConversionValidator {
  /// Chooses windows of tokens for a source whose model has so many positions, or any number of them.
  public typealias TokenChoice =
    @Sendable (_ source: Source, _ positionLimit: Int?) throws(CheckpointError) -> TokenWindows

  private let resources: EvaluationResources
  private let tokens: [Int]?
  private let standardCount: Int
  private let choice: TokenChoice?
  private let progress: WorkProgress
  /// Told of the ids before both models run on them.
  public var willRun: (@Sendable (_ tokens: [Int]) -> Void)?

  /// A validator.
  ///
  /// - Parameters:
  ///   - resources: memory and threads.
  ///   - tokens: one sequence; nil takes fixed ones.
  ///   - standardCount: how many fixed ones, at most as many as the model has positions.
  ///   - progress: told of layers that both have run.
  public init(
    _ resources: EvaluationResources, tokens: [Int]? = nil, standardCount: Int = 32,
    progress: WorkProgress = .none
  ) {
    self.progress = progress
    self.resources = resources
    self.tokens = tokens
    self.standardCount = standardCount
    choice = nil
  }

  /// A validator on tokens that depend on the source, such as those that its own tokenizer makes.
  ///
  /// - Parameters:
  ///   - resources: memory and threads.
  ///   - progress: told of layers that both have run.
  ///   - choice: chooses them; called before the work, and after it.
  public init(
    _ resources: EvaluationResources, progress: WorkProgress = .none,
    choice: @escaping TokenChoice
  ) {
    self.progress = progress
    self.resources = resources
    tokens = nil
    standardCount = 0
    self.choice = choice
  }

  private func tokens(
    _ source: Source, _ settings: DecoderConfiguration
  ) throws(CheckpointError) -> TokenWindows {
    if let choice { return try choice(source, settings.positionLimit) }
    let row =
      tokens
      ?? ForwardComparison.standardTokens(
        min(standardCount, settings.positionLimit ?? standardCount),
        vocabulary: settings.dimensions.vocabulary)
    return TokenWindows(rows: [row], length: max(1, row.count))
  }

  /// The source as it is, whatever was declared: what giving prefix attention up costs shows.
  private func decoder(
    _ source: Source, _ settings: DecoderConfiguration
  ) throws(CheckpointError) -> Decoder {
    let model = try source.model()
    return try Decoder(
      DecoderWeights(source.reader, model, settings), resources,
      attention: model.storedAttention ?? model.attention)
  }

  /// Looks the tokens up in the source's embeddings.
  public func check(_ source: Source) throws(CheckpointError) {
    let settings = try source.computation(for: "--validate").decoder
    let tokens = try tokens(source, settings)
    _ = try decoder(source, settings).embed(tokens.rows, Sequences(tokens.rows.map(\.count)))
  }

  /// Runs both, the result by its own configuration.
  public func validate(
    _ source: Source, _ result: any CheckpointReader, _ resultConfiguration: [UInt8]?
  ) throws(CheckpointError) -> Certificate.Validation {
    let (document, settings) = try source.computation(for: "--validate")
    let resultConfiguration = resultConfiguration ?? document.bytes
    let tokens = try tokens(source, settings)
    willRun?(tokens.rows.flatMap(\.self))
    let first = try decoder(source, settings)
    let model = try ModelContents(result, .success(resultConfiguration))
    let second = try Decoder(
      DecoderWeights(
        result, model,
        DecoderConfiguration(HuggingFaceConfiguration(parsing: resultConfiguration))), resources,
      attention: result.checkpoint.attention ?? .causal)
    progress.begin("running both models", settings.dimensions.layers, .layers)
    let comparison = try ForwardComparison(
      first, second, windows: tokens, prefixes: (first.prefix(), second.prefix()), differences: []
    ) { _ in progress.add(1) }
    // Where there are no numbers, equal ones prove nothing.
    let computes = comparison.numberlessCount == 0
    func figure(_ value: Double?) -> Double? {
      computes && value?.isFinite == true ? value : nil
    }
    let divergence = comparison.klDivergence
    return Certificate.Validation(
      tokenCount: comparison.tokenCount,
      maxAbsLogitDifference: figure(comparison.maxAbsLogitDifference),
      klDivergence: (
        figure(divergence.mean), figure(divergence.median), figure(divergence.p99),
        figure(divergence.max)
      ),
      negativeLogLikelihoodIncrease: figure(comparison.negativeLogLikelihoodIncrease),
      sameTopFraction: comparison.sameTopFraction)
  }
}
