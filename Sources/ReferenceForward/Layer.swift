import CTensorKernels
import ModelArchitectures
import TensorModel

/// One layer of a decoder.
struct Layer: Sendable {
  private let configuration: DecoderConfiguration
  private let attentionNorm: Norm?
  private let feedForwardNorm: Norm?
  private let attentionOutputNorm: Norm?
  private let feedForwardOutputNorm: Norm?
  private let attention: Attention
  private let feedForward: any FeedForwardLayer

  init(
    _ weights: DecoderWeights, _ index: Int, _ reader: WeightReader, _ workers: Workers,
    isResident: Bool, memory: Int
  ) throws(CheckpointError) {
    let configuration = weights.configuration
    self.configuration = configuration
    attentionNorm = try weights.norm(.attention, index, reader)
    feedForwardNorm = try weights.norm(.feedForward, index, reader)
    attentionOutputNorm = try weights.norm(.afterAttention, index, reader)
    feedForwardOutputNorm = try weights.norm(.afterFeedForward, index, reader)
    attention = try Attention(weights, layer: index, reader, workers, isResident: isResident)
    if configuration.experts != nil, !configuration.dimensions.denseLayers.contains(index) {
      feedForward = try Mixture(
        weights, layer: index, reader, workers, isResident: isResident, memory: memory)
    } else {
      feedForward = try FeedForward(weights, layer: index, reader, workers, isResident: isResident)
    }
  }

  /// Adds the layer's contributions to the residual streams of some batches.
  ///
  /// - Parameters:
  ///   - batches: each with the keys and values that are kept of it; nil for none.
  ///   - room: reused buffers.
  ///   - progress: told of each batch that is done.
  /// - Throws: what reading throws.
  func apply(
    _ batches: [(state: Decoder.State, cache: LayerCache?)], _ room: Room,
    progress: (Decoder.State) -> Void = { _ in }
  ) throws(CheckpointError) {
    guard batches.count > 1, feedForward.readsWhenUsed else {
      for (state, cache) in batches {
        let x = try applyAttention(state, cache, room, into: room.normed)
        try feedForward.apply([.init(state, x)], room)
        try finish(state)
        progress(state)
      }
      return
    }
    var inputs: [FeedForwardBatch] = []
    for (state, cache) in batches {
      inputs.append(.init(state, try applyAttention(state, cache, room, into: state.normed)))
    }
    try feedForward.apply(inputs, room)
    for (state, _) in batches {
      try finish(state)
      progress(state)
    }
  }

  /// Computes the attention, and adds it where that comes before the feed-forward layer.
  ///
  /// - Returns: what the feed-forward layer is applied to: `normed`, or the residual stream.
  private func applyAttention(
    _ state: Decoder.State, _ cache: LayerCache?, _ room: Room, into normed: FloatBuffer
  ) throws(CheckpointError) -> FloatBuffer {
    let (count, cache) = (state.sequences.rowCount, cache ?? LayerCache())
    if configuration.residual == .normedAfterwards {
      try attention.apply(state.hidden, state.sequences, cache, room, into: state.attention)
      add(state.attention, to: state.hidden, count)
      try attentionNorm?.apply(state.hidden, count, into: state.hidden)
      return state.hidden
    }
    let first = try self.normed(state.hidden, attentionNorm, count, into: normed)
    try attention.apply(first, state.sequences, cache, room, into: state.attention)
    try finish(state.attention, attentionOutputNorm, count)
    switch configuration.residual {
    case .parallel: return first
    case .parallelWithTwoNorms:
      return try self.normed(state.hidden, feedForwardNorm, count, into: normed)
    case .sequential, .normedAfterwards:
      add(state.attention, to: state.hidden, count)
      return try self.normed(state.hidden, feedForwardNorm, count, into: normed)
    }
  }

  /// Adds what is still to be added.
  private func finish(_ state: Decoder.State) throws(CheckpointError) {
    let count = state.sequences.rowCount
    switch configuration.residual {
    case .normedAfterwards:
      add(state.feedForward, to: state.hidden, count)
      try feedForwardNorm?.apply(state.hidden, count, into: state.hidden)
      return
    case .parallel, .parallelWithTwoNorms: add(state.attention, to: state.hidden, count)
    case .sequential: break
    }
    try finish(state.feedForward, feedForwardOutputNorm, count)
    add(state.feedForward, to: state.hidden, count)
  }

  /// What a part of the layer is given.
  private func normed(
    _ hidden: FloatBuffer, _ norm: Norm?, _ count: Int, into normed: FloatBuffer
  ) throws(CheckpointError) -> FloatBuffer {
    guard let norm else { return hidden }
    try norm.apply(hidden, count, into: normed)
    return normed
  }

  /// Makes of what a part has computed what it adds.
  private func finish(
    _ contribution: FloatBuffer, _ norm: Norm?, _ count: Int
  ) throws(CheckpointError) {
    try norm?.apply(contribution, count, into: contribution)
    scale(
      contribution.base, count * configuration.dimensions.model,
      by: Float(configuration.residualFactor))
  }

  private func add(_ contribution: FloatBuffer, to hidden: FloatBuffer, _ count: Int) {
    wb_add_f32(hidden.base, contribution.base, count * configuration.dimensions.model)
  }
}

extension FeedForwardBatch {
  /// Of a batch that the attention has gone through.
  fileprivate init(_ state: Decoder.State, _ x: FloatBuffer) {
    self.init(x: x, count: state.sequences.rowCount, result: state.feedForward)
  }
}

/// Multiplies values with a factor.
func scale(_ values: UnsafeMutablePointer<Float>, _ count: Int, by factor: Float) {
  guard factor != 1 else { return }
  for index in 0..<count { values[index] *= factor }
}

extension DecoderWeights {
  /// A norm, if the family has it.
  func norm(
    _ which: DecoderRole.Norm, _ layer: Int?, _ reader: WeightReader
  ) throws(CheckpointError) -> Norm? {
    var scales: [CanonicalTensor] = []
    if let scale = self[.normScale(which), layer] {
      scales = [scale]
    } else {
      while let scale = places[Place(.normScale(which), layer, scales.count)] {
        scales.append(scale)
      }
    }
    guard !scales.isEmpty else { return nil }
    return try Norm(
      configuration, scales: scales, offset: self[.normOffset(which), layer], reader)
  }
}
