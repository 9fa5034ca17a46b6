import CTensorKernels
import ModelArchitectures
import TensorModel

/// Chooses the experts of each token.
struct Router: Sendable {
  private let scores: Linear
  private let experts: DecoderConfiguration.Experts

  init(
    _ weights: DecoderWeights, layer: Int, _ experts: DecoderConfiguration.Experts,
    _ reader: WeightReader, isResident: Bool
  ) throws(CheckpointError) {
    scores = try weights.linear(.router, layer, reader, isResident: isResident)
    self.experts = experts
  }

  /// A token that an expert gets, and what its result is multiplied with.
  struct Assignment: Sendable {
    let row: Int
    let weight: Float
  }

  /// The tokens of each expert.
  ///
  /// - Parameters:
  ///   - x: normed, `[count, model]`.
  ///   - count: of rows.
  ///   - room: reused buffers.
  /// - Returns: for each expert its tokens, in order.
  /// - Throws: what reading throws.
  func assignments(
    _ x: FloatBuffer, _ count: Int, _ room: Room
  ) throws(CheckpointError) -> [[Assignment]] {
    try scores.apply(x, count, into: room.gate, room)
    let expertCount = scores.outputs
    var assigned = [[Assignment]](repeating: [], count: expertCount)
    for row in 0..<count {
      let values = UnsafeMutableBufferPointer(
        start: room.gate.base + row * expertCount, count: expertCount)
      if experts.weighting != .softmaxOfChosen {
        wb_softmax_row(values.baseAddress, expertCount)
      }
      // The largest, of equal ones the first.
      let chosen = values.indices.sorted {
        values[$0] == values[$1] ? $0 < $1 : values[$0] > values[$1]
      }.prefix(experts.chosenCount)
      let weights = weights(chosen.map { values[$0] })
      for (expert, weight) in zip(chosen, weights) {
        assigned[expert].append(Assignment(row: row, weight: weight))
      }
    }
    return assigned
  }

  private func weights(_ values: [Float]) -> [Float] {
    switch experts.weighting {
    case .softmax: return values
    case .normalisedSoftmax:
      let sum = values.reduce(0, +)
      return values.map { $0 / sum }
    case .softmaxOfChosen:
      var weights = values
      weights.withUnsafeMutableBufferPointer { wb_softmax_row($0.baseAddress, $0.count) }
      return weights
    }
  }
}
