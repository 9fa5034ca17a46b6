import CTensorKernels
import ModelArchitectures
import TensorModel

/// What follows the attention in a layer.
protocol FeedForwardLayer: Sendable {
  /// Computes the layer's contribution to the residual stream.
  ///
  /// - Parameters:
  ///   - x: normed, `[count, model]`.
  ///   - count: of rows.
  ///   - room: reused buffers.
  ///   - result: room for `[count, model]`.
  /// - Throws: what reading throws.
  func apply(
    _ x: FloatBuffer, _ count: Int, _ room: Room, into result: FloatBuffer
  ) throws(CheckpointError)
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

  func apply(
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
