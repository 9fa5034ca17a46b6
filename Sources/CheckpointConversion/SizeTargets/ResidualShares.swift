import Foundation
import ModelArchitectures

/// How much of the residual stream each sublayer adds, beside the mean of all: what a relative error of a sublayer's output counts for.
///
/// A sublayer's output has the energy Σ w²·E[x²] over its last matrix, as if the columns of its input had nothing to do with each other. The stream has what the
/// embedding and all sublayers up to the end of the layer put into it. In the models of `scripts/benchmarks/quality` the KL divergence that one quantized matrix
/// makes, over its relative error, is in proportion to this share for last matrices, within a factor of two for most, while the shares of one model differ by a
/// factor of forty; for those before them it is nearer to the share's square root.
struct ResidualShares {
  /// What adds to the stream.
  struct Sublayer: Hashable, Comparable {
    let layer: Int
    let isFeedForward: Bool

    /// By their order.
    static func < (one: Sublayer, other: Sublayer) -> Bool {
      (one.layer, one.isFeedForward ? 1 : 0) < (other.layer, other.isFeedForward ? 1 : 0)
    }
  }

  private var shares: [Sublayer: Double] = [:]

  /// The sublayers that weights at these places make up, in order; none where norms come after them, so that their last matrices don't say what they add.
  static func sublayers(_ places: [DecoderPlace]) -> [Sublayer] {
    let isNormed = places.contains {
      $0.role == .normScale(.afterAttention) || $0.role == .normScale(.afterFeedForward)
    }
    return isNormed ? [] : Set(places.compactMap(Sublayer.init)).sorted()
  }

  /// Nil where the energy of a sublayer isn't known.
  ///
  /// An embedding that isn't known counts as small beside sublayers.
  ///
  /// - Parameters:
  ///   - outputs: what weights put out for a token: the sum of squares, on average.
  ///   - sublayers: all of the model, in order.
  init?(_ outputs: [(place: DecoderPlace, energy: Double)], of sublayers: [Sublayer]) {
    var energies: [Sublayer: Double] = [:]
    var stream = 0.0
    for (place, energy) in outputs {
      if place.role == .tokenEmbedding {
        stream += energy
      } else if place.isLast, let sublayer = Sublayer(place) {
        energies[sublayer, default: 0] += energy
      }
    }
    guard !sublayers.isEmpty, sublayers.allSatisfy({ energies[$0] ?? 0 > 0 }) else {
      return nil
    }
    var logarithms = 0.0
    for (place, sublayer) in sublayers.enumerated() {
      // What two sublayers of a layer add may be computed from the same: the stream is that after both.
      if place == 0 || sublayers[place - 1].layer != sublayer.layer {
        for other in sublayers[place...].prefix(2) where other.layer == sublayer.layer {
          stream += energies[other] ?? 0
        }
      }
      let share = (energies[sublayer] ?? 0) / stream
      shares[sublayer] = share
      logarithms += log(share)
    }
    let mean = exp(logarithms / Double(sublayers.count))
    guard mean.isFinite, mean > 0 else { return nil }
    for sublayer in sublayers { shares[sublayer]? /= mean }
  }

  /// What a relative error at a place counts for: the share of the sublayer over the geometric mean of all shares; its square root for what goes into a
  /// sublayer, whose errors differ by less; 1 for what belongs to none.
  func of(_ place: DecoderPlace) -> Double {
    guard let share = Sublayer(place).flatMap({ shares[$0] }) else { return 1 }
    return place.isLast ? share : share.squareRoot()
  }
}

extension ResidualShares.Sublayer {
  /// Nil for what isn't a projection of a layer.
  fileprivate init?(_ place: DecoderPlace) {
    guard let layer = place.layer, let projection = place.role.projection else { return nil }
    switch projection {
    case .query, .key, .value, .queryKeyValue, .output:
      self.init(layer: layer, isFeedForward: false)
    case .gate, .up, .gateUp, .down, .expertGate, .expertUp, .expertGateUp, .expertGateUpInTurn,
      .expertDown:
      self.init(layer: layer, isFeedForward: true)
    case .router, .embeddingIn, .embeddingOut, .head: return nil
    }
  }
}

extension DecoderPlace {
  /// Whether it is of a weight that adds to the residual stream.
  fileprivate var isLast: Bool {
    guard case .weight(let projection, _) = role else { return false }
    return projection == .output || projection == .down || projection == .expertDown
  }
}
