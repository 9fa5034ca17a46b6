import ModelArchitectures
import TensorModel

/// A mixture of experts: each token goes through some, which are read when a token needs them, once for several batches.
///
/// Results are added up in the order of the experts, so that they don't depend on the number of threads. They do depend on the batch in the last bits: products
/// round a row by its place among those that share the expert.
struct Mixture: FeedForwardLayer {
  private let router: Router
  private let weights: DecoderWeights
  private let layer: Int
  private let reader: WeightReader
  private let workers: Workers
  /// The most tokens of several batches that share an expert at once.
  private let rowCount: Int
  private let gatesAndValues: GatesAndValues
  private let upBiases: FloatBuffer?
  private let downBiases: FloatBuffer?

  init(
    _ weights: DecoderWeights, layer: Int, _ reader: WeightReader, _ workers: Workers,
    isResident: Bool, memory: Int
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
    let (expert, model) = (
      try weights.expert(.expertDown, layer, 0, reader), weights.configuration.dimensions.model
    )
    // Inputs and outputs, gates and values, and what comes of these.
    let rowByteCount = (2 * model + 3 * expert.inputs) * MemoryLayout<Float>.stride
    rowCount = memory / rowByteCount
    upBiases = try weights.expertBiases(gatesAndValues.projection, layer, reader)
    downBiases = try weights.expertBiases(.expertDown, layer, reader)
  }

  var readsWhenUsed: Bool { true }

  func apply(_ batches: [FeedForwardBatch], _ room: Room) throws(CheckpointError) {
    let model = weights.configuration.dimensions.model
    // Of each batch the tokens of each expert.
    var assigned: [[[Router.Assignment]]] = []
    for batch in batches {
      assigned.append(try router.assignments(batch.x, batch.count, room))
      try batch.result.resize(batch.count * model)
      batch.result.base.update(repeating: 0, count: batch.count * model)
    }
    for expert in assigned[0].indices {
      let members = batches.indices.filter { !assigned[$0][expert].isEmpty }
      var first = 0
      while first < members.count {
        var (end, total) = (first, 0)
        while end < members.count,
          end == first || total + assigned[members[end]][expert].count <= rowCount
        {
          total += assigned[members[end]][expert].count
          end += 1
        }
        let some = members[first..<end].map { (batch: batches[$0], tokens: assigned[$0][expert]) }
        try compute(expert, some, room)
        first = end
      }
    }
  }

  /// Adds what an expert makes of its tokens to the results of their batches.
  private func compute(
    _ expert: Int, _ members: [(batch: FeedForwardBatch, tokens: [Router.Assignment])],
    _ room: Room
  ) throws(CheckpointError) {
    let model = weights.configuration.dimensions.model
    let counts = members.map(\.tokens.count)
    try room.gathered.resize(counts.reduce(0, +) * model)
    var place = 0
    for (batch, tokens) in members {
      for token in tokens {
        (room.gathered.base + place * model).update(
          from: batch.x.base + token.row * model, count: model)
        place += 1
      }
    }
    let output = try compute(expert, counts, room)
    place = 0
    for (batch, tokens) in members {
      for token in tokens {
        let (from, to) = (output.base + place * model, batch.result.base + token.row * model)
        for index in 0..<model { to[index] += token.weight * from[index] }
        place += 1
      }
    }
  }

  /// What an expert makes of the tokens that were gathered for it, so many of each batch, `[count, model]`.
  private func compute(
    _ expert: Int, _ counts: [Int], _ room: Room
  ) throws(CheckpointError) -> FloatBuffer {
    let count = counts.reduce(0, +)
    let up = try weights.expert(gatesAndValues.projection, layer, expert, reader)
    try up.apply(room.gathered, counts, into: room.inner, room)
    add(upBiases, expert, up.outputs, to: room.inner, count)
    try room.gate.resize(count * up.outputs / 2)
    try workers.forEach(count) { (row, _) throws(CheckpointError) in
      gatesAndValues.apply(
        room.inner.base + row * up.outputs, up.outputs / 2,
        into: room.gate.base + row * up.outputs / 2)
    }
    let down = try weights.expert(.expertDown, layer, expert, reader)
    try down.apply(room.gate, counts, into: room.mixed, room)
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
