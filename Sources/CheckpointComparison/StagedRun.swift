import CheckpointConversion
import ModelArchitectures
import ReferenceForward
import TensorEvaluation
import TensorModel

/// Runs a model and several others on the same windows: the first part of each, then the first layer of each, and so on.
///
/// So what they are made of is needed for a stage only. Each goes its own way; who wants to know where two part runs them in lockstep.
struct StagedRun {
  private let first: StagedModel
  private let others: [StagedModel]
  private let windows: TokenWindows
  private let logitByteCount: Int

  /// A run.
  ///
  /// - Parameters:
  ///   - first: what the others are compared with.
  ///   - others: at least one.
  ///   - windows: of tokens.
  ///   - memory: for the first one's logits, in bytes.
  /// - Throws: `unsupported` for models of other sizes.
  init(
    _ first: StagedModel, _ others: [StagedModel], _ windows: TokenWindows, memory: Int
  ) throws(CheckpointError) {
    for other in others { try first.dimensions.requireSameSizes(other.dimensions) }
    (self.first, self.others, self.windows) = (first, others, windows)
    logitByteCount = memory
  }

  /// Runs all.
  ///
  /// - Parameter progress: told of each layer that all have run.
  /// - Returns: what the logits of the first and of each other say.
  /// - Throws: `usage` for tokens that the models don't have; what reading throws.
  func outcomes(_ progress: (Int) -> Void) throws(CheckpointError) -> [LogitOutcome] {
    try forEachModel { (model) throws(CheckpointError) in
      try model.begin(windows, sharingBuffersWith: first)
    }
    for layer in 0..<first.dimensions.layers {
      try forEachModel { (model) throws(CheckpointError) in try model.runLayer(layer) }
      progress(layer)
    }
    return try compareLogits()
  }

  /// Calls a body with each model in a stage of its reader; the first one's, which the others may be made of, lasts until all are done.
  private func forEachModel(
    _ body: (StagedModel) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    first.beginStage()
    defer { first.endStage() }
    try body(first)
    for other in others {
      other.beginStage()
      defer { other.endStage() }
      try body(other)
    }
  }

  /// Compares the logits of as many rows at a time as there is room for of the first model's.
  private func compareLogits() throws(CheckpointError) -> [LogitOutcome] {
    let next = NextToken.afterRows(of: windows)
    var outcomes = others.map { _ in LogitOutcome() }
    let blockByteCount = Self.rowCount * first.dimensions.vocabulary * 4
    let heldCount = max(1, logitByteCount / blockByteCount) * Self.rowCount
    first.beginStage()
    defer { first.endStage() }
    var before = 0
    for batch in first.states.indices {
      let count = first.states[batch].sequences.rowCount
      for start in stride(from: 0, to: count, by: heldCount) {
        let rows = start..<min(count, start + heldCount)
        try compareLogits(batch, rows, Array(next[before..<before + count]), &outcomes)
      }
      before += count
    }
    return outcomes
  }

  private func compareLogits(
    _ batch: Int, _ rows: Range<Int>, _ next: [NextToken?], _ outcomes: inout [LogitOutcome]
  ) throws(CheckpointError) {
    let vocabulary = first.dimensions.vocabulary
    let expected = try FloatBuffer(rows.count * vocabulary)
    let found = FloatBuffer()
    let blocks: [Range<Int>] = stride(from: rows.lowerBound, to: rows.upperBound, by: Self.rowCount)
      .map { $0..<min(rows.upperBound, $0 + Self.rowCount) }
    for block in blocks {
      try first.logits(batch, block, into: found)
      let place = expected.base + (block.lowerBound - rows.lowerBound) * vocabulary
      place.update(from: found.base, count: block.count * vocabulary)
    }
    for (number, other) in others.enumerated() {
      other.beginStage()
      defer { other.endStage() }
      for block in blocks {
        try other.logits(batch, block, into: found)
        for row in block {
          guard let next = next[row] else { continue }
          let a = expected.base + (row - rows.lowerBound) * vocabulary
          let b = found.base + (row - block.lowerBound) * vocabulary
          outcomes[number].add(a, b, vocabulary: vocabulary, next: next)
        }
      }
    }
  }

  /// Rows of logits at a time: always as many, so that nothing rounds otherwise.
  private static let rowCount = 64
}

/// A model that goes through its stages beside others.
final class StagedModel {
  private let weights: DecoderWeights
  private let resources: EvaluationResources
  private let attention: AttentionMode
  /// What runs it; nil before it has begun.
  private(set) var decoder: Decoder?
  /// The residual streams of the windows' batches.
  private(set) var states: [Decoder.State] = []

  /// A model.
  ///
  /// - Parameters:
  ///   - weights: whose reader may be a `StagedReader`.
  ///   - resources: memory and threads, the same for all models of a run.
  ///   - attention: what tokens see.
  init(
    _ weights: DecoderWeights, _ resources: EvaluationResources, attention: AttentionMode
  ) {
    self.weights = weights
    self.resources = resources
    self.attention = attention
  }

  var dimensions: Architecture.Dimensions { weights.configuration.dimensions }

  func beginStage() { (weights.reader as? any StagedReader)?.beginStage() }

  func endStage() { (weights.reader as? any StagedReader)?.endStage() }

  /// Reads what isn't in a layer, and looks the windows' tokens up.
  func begin(
    _ windows: TokenWindows, sharingBuffersWith other: StagedModel
  ) throws(CheckpointError) {
    let decoder = try Decoder(
      weights, resources, attention: attention, sharingBuffersWith: other.decoder)
    states = []
    for batch in windows.batches {
      let rows = Array(windows.rows[batch])
      states.append(
        try decoder.embed(rows, Sequences(rows.map(\.count), prefix: decoder.prefix())))
    }
    self.decoder = decoder
  }

  func runLayer(_ layer: Int) throws(CheckpointError) { try decoder?.runLayer(layer, states) }

  func logits(
    _ batch: Int, _ rows: Range<Int>, into logits: FloatBuffer
  ) throws(CheckpointError) {
    try decoder?.logits(states[batch], rows, into: logits)
  }
}
