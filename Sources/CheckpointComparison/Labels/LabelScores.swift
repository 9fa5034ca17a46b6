import ModelArchitectures
public import ReferenceForward
public import TensorModel

/// What a model thinks of labels: of each Σ log p of its tokens, after the prompt's.
public struct LabelScores: Sendable {
  /// Of each prompt a score for each label, in nats, none positive.
  public let scores: [[Double]]

  /// Scores that are known.
  init(_ scores: [[Double]]) { self.scores = scores }

  /// Runs a model.
  ///
  /// - Parameters:
  ///   - decoder: the model; where it has prefix attention, the tokens that a prompt's labels share see each other.
  ///   - tokens: of prompts and labels.
  ///   - memory: for residual streams, in bytes.
  ///   - progress: told of tokens that are done.
  /// - Throws: `usage` for tokens that the model doesn't have; `malformed` where it computes no numbers; what reading throws.
  public init(
    _ decoder: Decoder, _ tokens: LabelTokens, memory: Int, progress: (Int) -> Void
  ) throws(CheckpointError) {
    let rows = tokens.rows
    let windows = TokenWindows(
      rows: rows.map(\.tokens), length: max(1, rows.map(\.tokens.count).max() ?? 1))
    let prefixes = rows.map { min(decoder.prefix($0.prefix), $0.sharedCount) }
    let vocabulary = decoder.configuration.dimensions.vocabulary
    try tokens.requireTokens(below: vocabulary)
    let logits = FloatBuffer()
    var scores = tokens.prompts.map { _ in [Double]() }
    let run = WindowedRun(decoder, windows, prefixes: prefixes, memory: memory)
    try run.forEachWave(progress: progress) { batches throws(CheckpointError) in
      for batch in batches {
        for (sequence, place) in zip(batch.state.sequences.all, batch.windows) {
          let row = rows[place]
          var score = 0.0
          let counted = row.sharedCount - 1..<row.tokens.count - 1
          for first in stride(
            from: counted.lowerBound, to: counted.upperBound, by: Self.blockRowCount)
          {
            let part = first..<min(counted.upperBound, first + Self.blockRowCount)
            try decoder.logits(
              batch.state,
              sequence.firstRow + part.lowerBound..<sequence.firstRow + part.upperBound,
              into: logits)
            for (number, position) in part.enumerated() {
              score += LogitRow(logits.base + number * vocabulary, count: vocabulary)
                .logProbability(of: row.tokens[position + 1])
            }
          }
          guard score.isFinite else {
            throw CheckpointError(
              .malformed,
              "the model computes no numbers (NaN or infinity) after \(tokens.place(row))",
              hint: "weighbridge inspect --statistics says which tensors have such values")
          }
          scores[row.prompt].append(score)
        }
      }
    }
    self.scores = scores
  }

  /// Rows of logits at a time.
  private static let blockRowCount = 64
}
