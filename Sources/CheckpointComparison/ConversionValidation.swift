public import CheckpointConversion
import CheckpointFormats
import ModelArchitectures
import ReferenceForward
public import TensorEvaluation
import TensorModel

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

  private static func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }

  /// Runs source and result of a conversion side by side.
  ///
  /// - Parameters:
  ///   - resources: memory and threads.
  ///   - tokens: one sequence; nil takes fixed ones.
  ///   - standardCount: how many fixed ones, at most as many as the model has positions.
  /// - Returns: what a conversion calls at its end.
  public static func validator(
    _ resources: EvaluationResources, tokens: [Int]? = nil, standardCount: Int = 32
  ) -> Certificate.Validator {
    { (source, result, configuration) throws(CheckpointError) in
      let settings = try DecoderConfiguration(HuggingFaceConfiguration(parsing: configuration))
      let tokens =
        tokens
        ?? standardTokens(
          min(standardCount, settings.positionLimit ?? standardCount),
          vocabulary: settings.dimensions.vocabulary)
      let model = try source.model()
      // The source as it is, whatever was declared: what giving prefix attention up costs shows.
      let attention = model.storedAttention ?? model.attention
      let decoders = (
        try Decoder(
          DecoderWeights(source.reader, model.tensors, settings), resources, attention: attention),
        try Decoder(
          DecoderWeights(result, result.canonicalTensors(), settings), resources,
          attention: result.checkpoint.attention ?? .causal)
      )
      let comparison = try ForwardComparison(
        decoders.0, decoders.1, tokens: tokens,
        prefixes: (decoders.0.prefix(), decoders.1.prefix()), differences: [])
      guard comparison.numberlessCount == 0 else {
        return Certificate.Validation(
          tokenCount: tokens.count, maxAbsLogitDifference: nil,
          klDivergence: (nil, nil, nil, nil), negativeLogLikelihoodIncrease: nil,
          sameTopFraction: comparison.sameTopFraction)
      }
      return Certificate.Validation(
        tokenCount: tokens.count,
        maxAbsLogitDifference: finite(comparison.maxAbsLogitDifference),
        klDivergence: (
          finite(comparison.klDivergence.mean), finite(comparison.klDivergence.median),
          finite(comparison.klDivergence.p99), finite(comparison.klDivergence.max)
        ),
        negativeLogLikelihoodIncrease: comparison.negativeLogLikelihoodIncrease.flatMap(finite),
        sameTopFraction: comparison.sameTopFraction)
    }
  }
}
