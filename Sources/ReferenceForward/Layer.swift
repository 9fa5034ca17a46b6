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
    isResident: Bool
  ) throws(CheckpointError) {
    let configuration = weights.configuration
    self.configuration = configuration
    attentionNorm = try weights.norm(.attention, index, reader)
    feedForwardNorm = try weights.norm(.feedForward, index, reader)
    attentionOutputNorm = try weights.norm(.afterAttention, index, reader)
    feedForwardOutputNorm = try weights.norm(.afterFeedForward, index, reader)
    attention = try Attention(weights, layer: index, reader, workers, isResident: isResident)
    if configuration.experts != nil, !configuration.dimensions.denseLayers.contains(index) {
      feedForward = try Mixture(weights, layer: index, reader, workers, isResident: isResident)
    } else {
      feedForward = try FeedForward(weights, layer: index, reader, workers, isResident: isResident)
    }
  }

  /// Adds the layer's contributions to the residual stream.
  func apply(
    _ state: Decoder.State, _ cache: LayerCache, _ room: Room
  ) throws(CheckpointError) {
    let count = state.sequences.rowCount
    if configuration.residual == .normedAfterwards {
      return try applyNormingAfterwards(state, cache, room)
    }
    let first = try normed(state.hidden, attentionNorm, count, room)
    try attention.apply(first, state.sequences, cache, room, into: state.attention)
    try finish(state.attention, attentionOutputNorm, count)
    switch configuration.residual {
    case .parallel:
      try feedForward.apply(first, count, room, into: state.feedForward)
      add(state.attention, to: state.hidden, count)
    case .parallelWithTwoNorms:
      let second = try normed(state.hidden, feedForwardNorm, count, room)
      try feedForward.apply(second, count, room, into: state.feedForward)
      add(state.attention, to: state.hidden, count)
    case .sequential, .normedAfterwards:
      add(state.attention, to: state.hidden, count)
      let second = try normed(state.hidden, feedForwardNorm, count, room)
      try feedForward.apply(second, count, room, into: state.feedForward)
    }
    try finish(state.feedForward, feedForwardOutputNorm, count)
    add(state.feedForward, to: state.hidden, count)
  }

  private func applyNormingAfterwards(
    _ state: Decoder.State, _ cache: LayerCache, _ room: Room
  ) throws(CheckpointError) {
    let count = state.sequences.rowCount
    try attention.apply(state.hidden, state.sequences, cache, room, into: state.attention)
    add(state.attention, to: state.hidden, count)
    try attentionNorm?.apply(state.hidden, count, into: state.hidden)
    try feedForward.apply(state.hidden, count, room, into: state.feedForward)
    add(state.feedForward, to: state.hidden, count)
    try feedForwardNorm?.apply(state.hidden, count, into: state.hidden)
  }

  /// What a part of the layer is given.
  private func normed(
    _ hidden: FloatBuffer, _ norm: Norm?, _ count: Int, _ room: Room
  ) throws(CheckpointError) -> FloatBuffer {
    guard let norm else { return hidden }
    try norm.apply(hidden, count, into: room.normed)
    return room.normed
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
