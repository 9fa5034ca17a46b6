import ModelArchitectures
import TensorModel

/// A mixture of experts: each token goes through some, which are read when a token of the batch needs them.
///
/// Results are added up in the order of the experts, so that they don't depend on the number of threads. They do depend on the batch in the last bits: products
/// round a row by its place among those that share the expert.
struct Mixture: FeedForwardLayer {
  private let router: Router
  private let weights: DecoderWeights
  private let layer: Int
  private let reader: WeightReader
  private let workers: Workers
  private let isResident: Bool
  private let gatesAndValues: GatesAndValues
  private let upBiases: FloatBuffer?
  private let downBiases: FloatBuffer?

  init(
    _ weights: DecoderWeights, layer: Int, _ reader: WeightReader, _ workers: Workers,
    isResident: Bool
  ) throws(CheckpointError) {
    guard let experts = weights.configuration.experts else {
      throw CheckpointError(.missing, "the family has no experts")
    }
    router = try Router(weights, layer: layer, experts, reader, isResident: isResident)
    gatesAndValues = GatesAndValues(
      experts, weights.configuration.activation, inTurn: weights.hasAlternatingGates(layer))
    self.weights = weights
    self.layer = layer
    self.reader = reader
    self.workers = workers
    self.isResident = isResident
    upBiases = try weights.expertBiases(gatesAndValues.projection, layer, reader)
    downBiases = try weights.expertBiases(.expertDown, layer, reader)
  }

  func apply(
    _ x: FloatBuffer, _ count: Int, _ room: Room, into result: FloatBuffer
  ) throws(CheckpointError) {
    let model = weights.configuration.dimensions.model
    let assigned = try router.assignments(x, count, room)
    try result.resize(count * model)
    result.base.update(repeating: 0, count: count * model)
    for (expert, tokens) in assigned.enumerated() where !tokens.isEmpty {
      try room.gathered.resize(tokens.count * model)
      for (place, token) in tokens.enumerated() {
        (room.gathered.base + place * model).update(from: x.base + token.row * model, count: model)
      }
      let output = try compute(expert, tokens.count, room)
      for (place, token) in tokens.enumerated() {
        let (from, to) = (output.base + place * model, result.base + token.row * model)
        for index in 0..<model { to[index] += token.weight * from[index] }
      }
    }
  }

  /// What an expert makes of the tokens that were gathered for it, `[count, model]`.
  private func compute(
    _ expert: Int, _ count: Int, _ room: Room
  ) throws(CheckpointError) -> FloatBuffer {
    let up = try weights.expert(gatesAndValues.projection, layer, expert, reader)
    try up.apply(room.gathered, count, into: room.inner, room)
    add(upBiases, expert, up.outputs, to: room.inner, count)
    try room.gate.resize(count * up.outputs / 2)
    try workers.forEach(count) { (row, _) throws(CheckpointError) in
      gatesAndValues.apply(
        room.inner.base + row * up.outputs, up.outputs / 2,
        into: room.gate.base + row * up.outputs / 2)
    }
    let down = try weights.expert(.expertDown, layer, expert, reader)
    try down.apply(room.gate, count, into: room.mixed, room)
    add(downBiases, expert, down.outputs, to: room.mixed, count)
    return room.mixed
  }

  private func add(
    _ biases: FloatBuffer?, _ expert: Int, _ width: Int, to values: FloatBuffer, _ count: Int
  ) {
    guard let biases else { return }
    for row in 0..<count {
      let place = values.base + row * width
      for index in 0..<width { place[index] += biases.base[expert * width + index] }
    }
  }
}
