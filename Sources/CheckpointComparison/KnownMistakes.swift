import ModelArchitectures
import ReferenceForward
import TensorModel

/// A mistake that converters have made before.
public enum KnownMistake: String, Sendable, Hashable, Encodable {
  /// Queries and keys are exchanged.
  case qkSwapped = "q_k_swapped"
  /// Keys and values are exchanged.
  case kvSwapped = "k_v_swapped"
  /// The gate of the feed-forward layer and what goes into it are exchanged.
  case gateUpSwapped = "gate_up_swapped"
  /// A square matrix lies the other way round.
  case transposed
  /// Rows of queries and keys are in the order of the other way to pair rotary dimensions.
  case rotaryLayout = "rotary_layout"
  /// A bias is lost.
  case biasMissing = "bias_missing"
  /// A norm is lost: its scales are ones.
  case normMissing = "norm_missing"
  /// Norm weights lack the 1 that is added to them, or have it twice.
  case normWithoutOne = "norm_without_one"
  /// The experts of a mixture stand in another order.
  case expertsPermuted = "experts_permuted"
  /// The rows of what chooses experts stand in another order than the experts.
  case routerPermuted = "router_permuted"
  /// The layer is another one's, as when layers are sorted 1, 10, 11, 2.
  case layerOrder = "layer_order"
}

/// Looks for a known mistake that explains how a layer differs.
struct KnownMistakes {
  private let first: DecoderWeights
  private let second: DecoderWeights
  private let layer: Int

  /// How far apart matrices may be that are the same but for rounding, as a relative L2 distance.
  private static let tolerance = 0.01

  init(_ first: DecoderWeights, _ second: DecoderWeights, layer: Int) {
    self.first = first
    self.second = second
    self.layer = layer
  }

  /// The mistake that makes the layers agree; nil if none does.
  func cause() throws(CheckpointError) -> KnownMistake? {
    if try isAnotherLayer() { return .layerOrder }
    if first.hasExperts(layer), second.hasExperts(layer) {
      if let cause = try ExpertMistakes(first, second, layer: layer).cause() { return cause }
    }
    if try isSwapped(.query, .key) { return .qkSwapped }
    if try isSwapped(.key, .value) { return .kvSwapped }
    if try isSwapped(.gate, .up) { return .gateUpSwapped }
    if try isRotated() { return .rotaryLayout }
    if try isTransposed() { return .transposed }
    if try isMissing({ if case .bias = $0 { true } else { false } }, as: 0) { return .biasMissing }
    let neutral: Float = first.configuration.addsOneToNorms ? 0 : 1
    if try isMissing({ if case .normScale = $0 { true } else { false } }, as: neutral) {
      return .normMissing
    }
    if first.configuration.addsOneToNorms, try lacksOne() { return .normWithoutOne }
    return nil
  }

  // MARK: The mistakes

  private func isAnotherLayer() throws(CheckpointError) -> Bool {
    let theirs = second.comparable(layer)
    for other in 0..<first.configuration.dimensions.layers where other != layer {
      var isSame = true
      // Small tensors first: they say no at little cost.
      for (place, tensor) in theirs.sorted(by: {
        $0.value.shape.elementCount < $1.value.shape.elementCount
      }) where isSame {
        guard let mine = first.places[.init(place.role, other, place.number)] else {
          return false
        }
        isSame = Self.isClose(try first.matrix(mine), try second.matrix(tensor))
      }
      if isSame { return true }
    }
    return false
  }

  private func isSwapped(
    _ one: DecoderRole.Projection, _ other: DecoderRole.Projection
  ) throws(CheckpointError) -> Bool {
    guard let mine = try first.projection(one, layer),
      let theirs = try second.projection(other, layer),
      let mineToo = try first.projection(other, layer),
      let theirsToo = try second.projection(one, layer)
    else { return false }
    return Self.isClose(mine, theirs) && Self.isClose(mineToo, theirsToo)
      && !Self.isClose(mine, theirsToo)
  }

  private func isTransposed() throws(CheckpointError) -> Bool {
    var found = false
    for projection in [
      DecoderRole.Projection.query, .key, .value, .output, .gate, .up, .down,
    ] {
      guard let mine = try first.projection(projection, layer),
        let theirs = try second.projection(projection, layer), mine.rows == mine.columns,
        !Self.isClose(mine, theirs)
      else { continue }
      guard Self.isClose(try mine.transposed(), theirs) else { return false }
      found = true
    }
    return found
  }

  private func isRotated() throws(CheckpointError) -> Bool {
    guard let rotary = first.configuration.rotary else { return false }
    let width = first.configuration.headWidth
    for toHalves in [true, false] {
      var order = Array(0..<width)
      let half = rotary.dimensions / 2
      for pair in 0..<half {
        // Row 2j of interleaved pairs is row j of halves.
        let (interleaved, halves) = ([2 * pair, 2 * pair + 1], [pair, pair + half])
        for side in 0..<2 {
          if toHalves {
            order[halves[side]] = interleaved[side]
          } else {
            order[interleaved[side]] = halves[side]
          }
        }
      }
      var agrees = true
      for projection in [DecoderRole.Projection.query, .key] where agrees {
        guard let mine = try first.projection(projection, layer),
          let theirs = try second.projection(projection, layer)
        else { return false }
        let permuted = try mine.permutingRows(order, every: width)
        agrees = !Self.isClose(mine, theirs) && Self.isClose(permuted, theirs)
      }
      if agrees { return true }
    }
    return false
  }

  /// Whether all that differs are tensors of a kind that one model lacks, or has as values that do nothing.
  private func isMissing(
    _ isOfKind: (DecoderRole) -> Bool, as neutral: Float
  ) throws(CheckpointError) -> Bool {
    let (ours, others) = (first.comparable(layer), second.comparable(layer))
    var found = false
    for place in Set(ours.keys).union(others.keys) {
      guard let one = ours[place], let other = others[place] else {
        guard isOfKind(place.role) else { return false }
        found = true
        continue
      }
      let (mine, theirs) = (try first.matrix(one), try second.matrix(other))
      if Self.isClose(mine, theirs) { continue }
      guard isOfKind(place.role), mine.isAll(neutral) || theirs.isAll(neutral) else { return false }
      found = true
    }
    return found
  }

  /// Whether all that differs are norms that are one apart.
  private func lacksOne() throws(CheckpointError) -> Bool {
    let (ours, others) = (first.comparable(layer), second.comparable(layer))
    var found = false
    for (place, tensor) in ours {
      guard let other = others[place] else { return false }
      let (mine, theirs) = (try first.matrix(tensor), try second.matrix(other))
      if Self.isClose(mine, theirs) { continue }
      let (more, theirsMore) = (try mine.adding(1), try theirs.adding(1))
      guard case .normScale = place.role,
        Self.isClose(more, theirs) || Self.isClose(mine, theirsMore)
      else { return false }
      found = true
    }
    return found
  }

  static func isClose(_ a: Matrix, _ b: Matrix) -> Bool {
    guard a.rows == b.rows, a.columns == b.columns else { return false }
    var (difference, norm) = (0.0, 0.0)
    for index in 0..<a.rows * a.columns {
      let (x, y) = (Double(a.values.base[index]), Double(b.values.base[index]))
      difference += (x - y) * (x - y)
      norm += x * x
    }
    return difference <= tolerance * tolerance * norm
  }
}
