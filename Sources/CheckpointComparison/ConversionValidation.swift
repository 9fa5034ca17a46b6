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

  /// Runs source and result of a conversion side by side on 32 fixed tokens.
  ///
  /// - Parameter resources: memory and threads.
  /// - Returns: what a conversion calls at its end.
  public static func validator(_ resources: EvaluationResources) -> Certificate.Validator {
    { (source, result, configuration) throws(CheckpointError) in
      let settings = try DecoderConfiguration(HuggingFaceConfiguration(parsing: configuration))
      let tokens = standardTokens(32, vocabulary: settings.dimensions.vocabulary)
      let comparison = try ForwardComparison(
        Decoder(DecoderWeights(source.reader, settings), resources),
        Decoder(DecoderWeights(result, settings), resources), tokens: tokens, differences: [])
      return Certificate.Validation(
        tokenCount: tokens.count,
        maxAbsLogitDifference: finite(comparison.maxAbsLogitDifference),
        meanKlDivergence: finite(comparison.klDivergence.mean),
        maxKlDivergence: finite(comparison.klDivergence.max),
        sameTopFraction: comparison.sameTopFraction)
    }
  }
}
