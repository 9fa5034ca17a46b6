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
  /// Prompts whose labels source and result choose between, too, where readers don't go by stages; nil for none.
  public var labels: LabelTrial?

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

  /// Looks the tokens up in the source's embeddings.
  public func check(_ source: Source) throws(CheckpointError) {
    let settings = try source.computation(for: "--validate").decoder
    let tokens = try tokens(source, settings)
    let weights = try DecoderWeights(source.reader, source.model(), settings)
    _ = try Decoder(weights, resources).embed(tokens.rows, Sequences(tokens.rows.map(\.count)))
    _ = try labels?.tokens(source, limit: settings.positionLimit)
  }

  /// Runs all, each result by its own configuration, the source as it is, whatever was declared: what giving prefix attention up costs shows.
  ///
  /// Where memory doesn't hold the residual streams of all, some results are run after the others, and the source again.
  public func validate(
    _ source: Source, readBy reader: any CheckpointReader, _ results: [ConvertedResult]
  ) throws(CheckpointError) -> [Certificate.Validation] {
    let (document, settings) = try source.computation(for: "--validate")
    let tokens = try tokens(source, settings)
    willRun?(tokens.rows.flatMap(\.self))
    // Readers that keep tensors have the other half.
    let resources = reader is any StagedReader ? self.resources.halved : self.resources
    let model = try source.model()
    let first = StagedModel(
      try DecoderWeights(reader, model, settings), resources,
      attention: model.storedAttention ?? model.attention)
    var others: [StagedModel] = []
    for result in results {
      let configuration = result.configuration ?? document.bytes
      let model = try ModelContents(result.reader, .success(configuration))
      others.append(
        StagedModel(
          try DecoderWeights(
            result.reader, model,
            DecoderConfiguration(HuggingFaceConfiguration(parsing: configuration))), resources,
          attention: result.reader.checkpoint.attention ?? .causal))
    }
    // Of each row the stream, and what attention and feed-forward layer have added.
    let streamByteCount = tokens.tokenCount * 3 * 4 * settings.dimensions.model
    let atOnce = max(1, self.resources.memory / 8 / max(1, streamByteCount) - 1)
    let passes = stride(from: 0, to: others.count, by: atOnce).map {
      others[$0..<min(others.count, $0 + atOnce)]
    }
    progress.begin(
      others.count == 1 ? "running both models" : "running \(others.count + 1) models",
      settings.dimensions.layers * passes.count, .layers)
    var validations: [Certificate.Validation] = []
    for pass in passes {
      let run = try StagedRun(
        first, Array(pass), tokens, memory: self.resources.memory / 16)
      validations += try run.outcomes { _ in progress.add(1) }.map(Certificate.Validation.init)
    }
    if let labels, !(reader is any StagedReader), let first = first.decoder,
      let second = others.first?.decoder
    {
      try labels.run(
        labels.tokens(source, limit: settings.positionLimit), first, second,
        memory: self.resources.memory / 4, progress)
    }
    return validations
  }
}

extension Certificate.Validation {
  /// What the logits of source and result say.
  init(_ outcome: LogitOutcome) {
    // Where there are no numbers, equal ones prove nothing.
    let computes = outcome.computesNumbers
    func figure(_ value: Double?) -> Double? {
      computes && value?.isFinite == true ? value : nil
    }
    let divergence = ForwardComparison.Distribution(outcome.divergences)
    self.init(
      tokenCount: outcome.positionCount,
      maxAbsLogitDifference: figure(outcome.largestDifference),
      klDivergence: (
        figure(divergence.mean), figure(divergence.median), figure(divergence.p99),
        figure(divergence.max)
      ),
      negativeLogLikelihoodIncrease: figure(outcome.negativeLogLikelihoodIncrease),
      sameTopFraction: outcome.sameTopFraction)
  }
}
