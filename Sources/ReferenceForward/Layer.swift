import CTensorKernels
import ModelArchitectures
import TensorModel

/// One layer of a decoder.
struct Layer: Sendable {
  private let configuration: DecoderConfiguration
  private let attentionNorm: Norm
  private let feedForwardNorm: Norm?
  private let attention: Attention
  private let feedForward: FeedForward

  init(
    _ weights: DecoderWeights, _ index: Int, _ reader: WeightReader, _ workers: Workers,
    isResident: Bool
  ) throws(CheckpointError) {
    let configuration = weights.configuration
    func norm(_ which: DecoderRole.Norm) throws(CheckpointError) -> Norm? {
      guard let scale = weights[.normScale(which), index] else { return nil }
      return try Norm(
        configuration.norm, configuration.dimensions.model, scale: scale,
        offset: weights[.normOffset(which), index], reader)
    }
    guard let first = try norm(.attention) else {
      throw CheckpointError(.missing, "the family has no norm before the attention")
    }
    self.configuration = configuration
    attentionNorm = first
    feedForwardNorm = try norm(.feedForward)
    attention = try Attention(weights, layer: index, reader, workers, isResident: isResident)
    feedForward = try FeedForward(weights, layer: index, reader, workers, isResident: isResident)
  }

  /// Adds the layer's contributions to the residual stream.
  func apply(
    _ state: Decoder.State, _ cache: LayerCache, _ room: Room
  ) throws(CheckpointError) {
    let count = state.sequences.rowCount
    try attentionNorm.apply(state.hidden, count, into: room.normed)
    try attention.apply(room.normed, state.sequences, cache, room, into: state.attention)
    switch configuration.residual {
    case .parallel:
      try feedForward.apply(room.normed, count, room, into: state.feedForward)
      add(state.attention, to: state.hidden, count)
    case .parallelWithTwoNorms:
      try feedForwardNorm?.apply(state.hidden, count, into: room.normed)
      try feedForward.apply(room.normed, count, room, into: state.feedForward)
      add(state.attention, to: state.hidden, count)
    case .sequential:
      add(state.attention, to: state.hidden, count)
      try feedForwardNorm?.apply(state.hidden, count, into: room.normed)
      try feedForward.apply(room.normed, count, room, into: state.feedForward)
    }
    add(state.feedForward, to: state.hidden, count)
  }

  private func add(_ contribution: FloatBuffer, to hidden: FloatBuffer, _ count: Int) {
    wb_add_f32(hidden.base, contribution.base, count * configuration.dimensions.model)
  }
}
