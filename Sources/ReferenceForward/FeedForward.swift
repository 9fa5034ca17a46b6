import CTensorKernels
import ModelArchitectures
import TensorModel

/// What follows the attention in a layer.
protocol FeedForwardLayer: Sendable {
  /// Whether weights are read when they are used, so that several batches should use them at once.
  var readsWhenUsed: Bool { get }

  /// Computes the layer's contributions to the residual streams of some batches.
  ///
  /// - Parameters:
  ///   - batches: at least one.
  ///   - room: reused buffers.
  /// - Throws: what reading throws.
  func apply(_ batches: [FeedForwardBatch], _ room: Room) throws(CheckpointError)
}

/// What a feed-forward layer is applied to.
struct FeedForwardBatch: Sendable {
  /// Normed, `[count, model]`.
  let x: FloatBuffer
  /// Of rows.
  let count: Int
  /// Room for `[count, model]`.
  let result: FloatBuffer
}

/// The feed-forward layer: down(f(up(x))), or down(f(gate(x)) · up(x)), gate and up perhaps in one matrix.
struct FeedForward: FeedForwardLayer {
  private let gate: Linear?
  private let up: Linear
  /// Whether `up` makes the gates as well, before its own values.
  private let isFused: Bool
  private let down: Linear
  private let activation: DecoderConfiguration.Activation
  private let workers: Workers

  init(
    _ weights: DecoderWeights, layer: Int, _ reader: WeightReader, _ workers: Workers,
    isResident: Bool
  ) throws(CheckpointError) {
    let isGated = weights[.weight(.gate), layer] != nil
    gate = isGated ? try weights.linear(.gate, layer, reader, isResident: isResident) : nil
    isFused = weights[.weight(.gateUp), layer] != nil
    up = try weights.linear(isFused ? .gateUp : .up, layer, reader, isResident: isResident)
    down = try weights.linear(.down, layer, reader, isResident: isResident)
    activation = weights.configuration.activation
    self.workers = workers
  }

  var readsWhenUsed: Bool { false }

  func apply(_ batches: [FeedForwardBatch], _ room: Room) throws(CheckpointError) {
    for batch in batches { try apply(batch.x, batch.count, room, into: batch.result) }
  }

  private func apply(
    _ x: FloatBuffer, _ count: Int, _ room: Room, into result: FloatBuffer
  ) throws(CheckpointError) {
    let width = isFused ? up.outputs / 2 : up.outputs
    try up.apply(x, count, into: room.inner, room)
    if isFused {
      try room.gate.resize(count * width)
      try workers.forEach(count) { (row, _) throws(CheckpointError) in
        let (gates, products) = (
          room.inner.base + row * 2 * width, room.gate.base + row * width
        )
        activation.apply(gates, width)
        for index in 0..<width { products[index] = gates[index] * gates[width + index] }
      }
      return try down.apply(room.gate, count, into: result, room)
    }
    if let gate {
      try gate.apply(x, count, into: room.gate, room)
      try workers.forEach(count) { (row, _) throws(CheckpointError) in
        let (gates, values) = (room.gate.base + row * width, room.inner.base + row * width)
        activation.apply(gates, width)
        for index in 0..<width { values[index] *= gates[index] }
      }
    } else {
      try workers.forEach(count) { (row, _) throws(CheckpointError) in
        activation.apply(room.inner.base + row * width, width)
      }
    }
    try down.apply(room.inner, count, into: result, room)
  }
}

extension DecoderConfiguration.Activation {
  /// Applies the function to values in place.
  func apply(_ values: UnsafeMutablePointer<Float>, _ count: Int) {
    switch self {
    case .geluTanh: wb_gelu_tanh(values, count)
    case .gelu: wb_gelu_erf(values, count)
    case .silu: wb_silu(values, count)
    case .relu: for index in 0..<count { values[index] = max(0, values[index]) }
    }
  }
}
