// B rows of tokens, each with T new tokens after P earlier ones; H heads of width W, of which G have keys and values of their own.

import CBLAS
import CTensorKernels
import Foundation
import ModelArchitectures
import TensorModel

/// The attention of a layer.
struct Attention: Sendable {
  private let configuration: DecoderConfiguration
  private let projections: Projections
  private let output: Linear
  private let queryNorm: Norm?
  private let keyNorm: Norm?
  private let rotation: Rotation?
  /// A score for each head that takes its share of attention and has no value.
  private let sinks: FloatBuffer?
  private let scale: Float
  private let window: Int?
  private let workers: Workers

  /// Separate queries, keys and values, or fused ones.
  private enum Projections: Sendable {
    case separate(query: Linear, key: Linear, value: Linear)
    case fused(Linear)
  }

  init(
    _ weights: DecoderWeights, layer: Int, _ reader: WeightReader, _ workers: Workers,
    isResident: Bool
  ) throws(CheckpointError) {
    configuration = weights.configuration
    self.workers = workers
    if configuration.fusedOrder != nil {
      projections = .fused(
        try weights.linear(.queryKeyValue, layer, reader, isResident: isResident))
    } else {
      projections = .separate(
        query: try weights.linear(.query, layer, reader, isResident: isResident),
        key: try weights.linear(.key, layer, reader, isResident: isResident),
        value: try weights.linear(.value, layer, reader, isResident: isResident))
    }
    output = try weights.linear(.output, layer, reader, isResident: isResident)
    queryNorm = try weights.norm(.query, layer, reader)
    keyNorm = try weights.norm(.key, layer, reader)
    let isRotated = configuration.rotatedLayers[layer]
    window = configuration.windows[layer]
    let rotary =
      window == nil ? configuration.rotary : configuration.slidingRotary ?? configuration.rotary
    rotation = (isRotated ? rotary : nil).map {
      Rotation($0, headWidth: weights.configuration.headWidth)
    }
    var sinks: FloatBuffer?
    if let tensor = weights[.sinks, layer] { sinks = try reader.values(tensor) }
    self.sinks = sinks
    scale = Float(configuration.attentionScales[layer])
  }

  /// Computes the attention's contribution to the residual stream.
  ///
  /// - Parameters:
  ///   - x: normed, `[rows of all sequences, model]`.
  ///   - sequences: their lengths and the positions that came before.
  ///   - cache: keys and values of this layer; new ones are appended.
  ///   - room: reused buffers.
  ///   - result: room for `[rows, model]`.
  /// - Throws: what reading throws.
  func apply(
    _ x: FloatBuffer, _ sequences: Sequences, _ cache: LayerCache, _ room: Room,
    into result: FloatBuffer
  ) throws(CheckpointError) {
    let count = sequences.rowCount
    try project(x, count, room)
    let (queries, keys) = (configuration.dimensions.queries, configuration.dimensions.keys)
    // Of a head or of all, as the norm is wide.
    if let queryNorm {
      try queryNorm.apply(room.query, count * queries / queryNorm.width, into: room.query)
    }
    if let keyNorm { try keyNorm.apply(room.key, count * keys / keyNorm.width, into: room.key) }
    if let rotation {
      for row in 0..<count {
        let position = sequences.positions[row]
        rotation.apply(
          room.query.base + row * queries, heads: configuration.heads, position: position)
        rotation.apply(
          room.key.base + row * keys, heads: configuration.keyHeads, position: position)
      }
    }
    try cache.append(room.key, room.value, sequences, width: keys)
    try room.mixed.resize(count * queries)
    try attend(sequences, cache, room)
    try output.apply(room.mixed, count, into: result, room)
  }

  private func project(
    _ x: FloatBuffer, _ count: Int, _ room: Room
  ) throws(CheckpointError) {
    switch projections {
    case .separate(let query, let key, let value):
      try query.apply(x, count, into: room.query, room)
      try key.apply(x, count, into: room.key, room)
      try value.apply(x, count, into: room.value, room)
    case .fused(let all):
      try all.apply(x, count, into: room.fused, room)
      try split(room, count)
    }
  }

  /// Takes fused outputs apart.
  private func split(_ room: Room, _ count: Int) throws(CheckpointError) {
    let (queries, keys) = (configuration.dimensions.queries, configuration.dimensions.keys)
    for (part, buffer) in [room.query, room.key, room.value].enumerated() {
      let width = part == 0 ? queries : keys
      try buffer.resize(count * width)
      let runs = configuration.fusedRuns(part)
      for row in 0..<count {
        let from = room.fused.base + row * (queries + 2 * keys)
        var to = buffer.base + row * width
        for run in runs {
          to.update(from: from + run.lowerBound, count: run.count)
          to += run.count
        }
      }
    }
  }

  /// softmax(q · kᵀ · scale + mask) · v, each head of each sequence on its own.
  private func attend(
    _ sequences: Sequences, _ cache: LayerCache, _ room: Room
  ) throws(CheckpointError) {
    let (heads, width) = (configuration.heads, configuration.headWidth)
    let (queries, keys) = (configuration.dimensions.queries, configuration.dimensions.keys)
    let shared = heads / configuration.keyHeads
    // A sink stands after the scores of tokens.
    let extra = sinks == nil ? 0 : 1
    let longest =
      sequences.all.map { Self.blockCount($0, extra) * ($0.start + $0.count + extra) }.max() ?? 0
    for scores in room.scores { try scores.resize(longest) }
    try workers.forEach(sequences.all.count * heads) { (index, worker) throws(CheckpointError) in
      let (number, head) = index.quotientAndRemainder(dividingBy: heads)
      let sequence = sequences.all[number]
      let total = sequence.start + sequence.count
      let stride = total + extra
      let scores = room.scores[worker].base
      let key = cache.keys(number) + head / shared * width
      let value = cache.values(number) + head / shared * width
      let block = Self.blockCount(sequence, extra)
      for first in Swift.stride(from: 0, to: sequence.count, by: block) {
        let count = min(block, sequence.count - first)
        let from = (sequence.firstRow + first) * queries + head * width
        wb_sgemm(
          false, true, count, total, width, scale, room.query.base + from, queries, key, keys, 0,
          scores, stride)
        for row in 0..<count {
          let place = scores + row * stride
          adjust(place, total, head)
          mask(place, sequence.start + first + row, total, sequence.prefix)
          if let sinks { place[total] = sinks.base[head] }
          wb_softmax_row(place, stride)
        }
        wb_sgemm(
          false, false, count, width, total, 1, scores, stride, value, keys, 0,
          room.mixed.base + from, queries)
      }
    }
  }

  /// Scores that a worker holds at a time, 64 MiB: those of 4096 tokens, and of some of the tokens of longer sequences.
  private static let scoreCount = 16 << 20

  /// How many tokens of a sequence have their scores computed at once.
  static func blockCount(_ sequence: Sequences.Sequence, _ extra: Int) -> Int {
    min(sequence.count, max(1, scoreCount / (sequence.start + sequence.count + extra)))
  }

  /// Adds positions to the scores of a token, and caps them.
  private func adjust(_ scores: UnsafeMutablePointer<Float>, _ total: Int, _ head: Int) {
    if let slope = configuration.positionSlopes?[head] {
      for place in 0..<total {
        scores[place] +=
          configuration.roundsSlopes
          ? scale * (Float(slope).asBFloat16 * Float(place).asBFloat16).asBFloat16
          : Float(slope) * Float(place)
      }
    }
    if let cap = configuration.scoreCap { softCap(scores, total, at: cap) }
  }

  /// A token sees itself and what came before, within the window; the first `prefix` tokens see each other too.
  private func mask(
    _ row: UnsafeMutablePointer<Float>, _ position: Int, _ total: Int, _ prefix: Int
  ) {
    let end = position < prefix ? max(position + 1, min(prefix, total)) : position + 1
    for later in end..<max(end, total) { row[later] = -.infinity }
    if let window, position >= window {
      for earlier in 0...(position - window) { row[earlier] = -.infinity }
    }
  }
}

/// Replaces each value by cap · tanh(value / cap).
func softCap(_ values: UnsafeMutablePointer<Float>, _ count: Int, at cap: Double) {
  for index in 0..<count { values[index] = Float(cap * tanh(Double(values[index]) / cap)) }
}

extension Float {
  /// The nearest value that has only 8 bits of mantissa, of two the even one.
  fileprivate var asBFloat16: Float {
    let lower = bitPattern >> 16 & 1
    return Float(bitPattern: (bitPattern &+ 0x7fff &+ lower) & 0xffff_0000)
  }
}

extension DecoderWeights {
  /// A projection with its bias, if it has one.
  func linear(
    _ projection: DecoderRole.Projection, _ layer: Int?, _ reader: WeightReader, isResident: Bool
  ) throws(CheckpointError) -> Linear {
    for orientation in [DecoderRole.Orientation.outIn, .inOut] {
      if let weight = self[.weight(projection, orientation), layer] {
        return try Linear(
          DecoderPlace(.weight(projection), layer), weight, orientation,
          bias: self[.bias(projection), layer], reader,
          isResident: isResident)
      }
    }
    throw CheckpointError(
      .missing, "the family has no projection of this kind", found: projection.rawValue)
  }
}
