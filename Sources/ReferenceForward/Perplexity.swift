import Foundation
import ModelArchitectures
public import TensorModel

/// How well a model predicts a text: the mean negative log-likelihood of its tokens.
public struct Perplexity: Sendable, Hashable, Encodable {
  /// Mean of −log p over the predicted tokens, in nats.
  public let meanNegativeLogLikelihood: Double
  /// Its standard error.
  public let standardError: Double
  /// exp of the mean.
  public let perplexity: Double
  /// Predicted tokens.
  public let tokenCount: Int

  private enum CodingKeys: String, CodingKey {
    case meanNegativeLogLikelihood, standardError, perplexity, tokenCount
  }

  /// Writes what is no number as null.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
    try container.encode(finite(meanNegativeLogLikelihood), forKey: .meanNegativeLogLikelihood)
    try container.encode(finite(standardError), forKey: .standardError)
    try container.encode(finite(perplexity), forKey: .perplexity)
    try container.encode(tokenCount, forKey: .tokenCount)
  }

  /// Of so many tokens with these sums of −log p and of its square.
  init(sum: Double, squares: Double, count: Int) {
    tokenCount = count
    let mean = count == 0 ? 0 : sum / Double(count)
    let variance = count < 2 ? 0 : max(0, squares / Double(count) - mean * mean)
    meanNegativeLogLikelihood = mean
    standardError = count < 2 ? 0 : (variance / Double(count - 1)).squareRoot()
    perplexity = exp(mean)
  }

  /// Measures a decoder on windows of tokens, each token predicted from those before it in its window.
  ///
  /// - Parameters:
  ///   - decoder: the model.
  ///   - windows: of tokens; they say which are predicted.
  ///   - memory: for residual streams, in bytes.
  ///   - progress: told of tokens that are done.
  /// - Returns: the measure.
  /// - Throws: `usage`, and what reading throws.
  public static func measure(
    _ decoder: Decoder, _ windows: TokenWindows, memory: Int = 1 << 28,
    progress: (Int) -> Void = { _ in }
  ) throws(CheckpointError) -> Perplexity {
    let vocabulary = decoder.configuration.dimensions.vocabulary
    let logits = FloatBuffer()
    var (sum, squares, count) = (0.0, 0.0, 0)
    let run = WindowedRun(decoder, windows, prefix: 0, memory: memory)
    try run.forEachWave(progress: progress) { batches throws(CheckpointError) in
      for batch in batches {
        for (sequence, window) in zip(batch.state.sequences.all, batch.windows) {
          let tokens = windows.rows[window]
          // Each row of logits is of the token after it.
          let end = tokens.count - 1
          let counted = min(windows.contextCount - 1, end)..<end
          for first in stride(from: counted.lowerBound, to: end, by: blockRowCount) {
            let rows = first..<min(end, first + blockRowCount)
            let (start, stop) = (
              sequence.firstRow + rows.lowerBound, sequence.firstRow + rows.upperBound
            )
            try decoder.logits(batch.state, start..<stop, into: logits)
            for (place, row) in rows.enumerated() {
              let loss = -LogitRow(logits.base + place * vocabulary, count: vocabulary)
                .logProbability(of: tokens[row + 1])
              sum += loss
              squares += loss * loss
            }
          }
          count += counted.count
        }
      }
    }
    guard count > 0 else {
      throw CheckpointError(
        .usage, "there is no token to predict", expected: "rows of at least two tokens")
    }
    return Perplexity(sum: sum, squares: squares, count: count)
  }

  /// Rows of logits at a time.
  private static let blockRowCount = 256
}
