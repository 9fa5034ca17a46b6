import CheckpointFormats
import ModelArchitectures
import TensorModel

/// How much a relative error counts by what a weight is for.
///
/// In a matrix of a decoder's layers it makes about such an error of what the sublayer adds to the residual stream, and counts as much as that is of the stream
/// (`ResidualShares`); where that isn't known, all matrices of layers count alike. What makes the logits has no layer after it that averages, and the embedding
/// none before it: their factors, beside the mean of the layers' matrices, were measured as the KL divergence that one quantized weight alone makes
/// (`scripts/benchmarks/quality sensitivity`). They are orders of magnitude, and differ between models by more than shares do.
struct Sensitivity {
  private static let ofHead = 32.0
  private static let ofEmbedding = 8.0

  /// What stored tensors are for, by their names.
  private var places: [ExactName: Set<DecoderPlace>] = [:]
  private var counts: [DecoderPlace: Int] = [:]
  private let hasHead: Bool
  private let layerCount: Int
  private let layers: [ResidualShares.Sublayer]
  private var shares: ResidualShares?

  /// For a model; in one that isn't known all weights count alike.
  init(_ model: ModelContents) {
    let placed = Array(model.placed)
    hasHead = placed.contains { $0.0.role.projection == .head }
    layerCount = (placed.compactMap(\.0.layer).max() ?? -1) + 1
    layers = ResidualShares.sublayers(placed.map(\.0))
    for (place, tensor) in placed {
      counts[DecoderPlace(place.role, place.layer), default: 0] += 1
      for source in tensor.expression.sources {
        places[ExactName(source), default: []].insert(place)
      }
    }
  }

  /// What a measured weight puts out.
  struct Output {
    /// What the weight is made of.
    let expression: TensorExpression
    /// The sum of squares of its outputs for a token, on average.
    let energy: Double
  }

  /// Takes in what weights put out, from which follows how much of the residual stream each sublayer adds.
  mutating func weigh(_ outputs: [Output]) {
    shares = ResidualShares(
      outputs.compactMap { output in
        let uses = uses(output.expression)
        return uses.first.map { ($0, output.energy * part(uses)) }
      }, of: layers)
  }

  /// Of what an expression reads.
  func of(_ expression: TensorExpression) -> Double {
    let uses = uses(expression)
    return uses.map(factor).max().map { $0 * part(uses) } ?? 1
  }

  /// What an expression is for, and where in the decoder: of several uses that which counts most.
  func kind(_ expression: TensorExpression) -> WeightKind {
    let uses = uses(expression)
    let ends = uses.filter { $0.layer == nil && factor($0) != 1 }
    let place =
      ends.max { factor($0) < factor($1) } ?? uses.min { ($0.layer ?? 0) < ($1.layer ?? 0) }
    return WeightKind(place, layerCount: layerCount)
  }

  private func uses(_ expression: TensorExpression) -> [DecoderPlace] {
    expression.sources.flatMap { places[ExactName($0)] ?? [] }
  }

  /// Of many experts a token meets some.
  private func part(_ uses: [DecoderPlace]) -> Double {
    min(1, uses.reduce(0) { $0 + 1 / Double(counts[DecoderPlace($1.role, $1.layer)] ?? 1) })
  }

  private func factor(_ place: DecoderPlace) -> Double {
    switch place.role {
    case .tokenEmbedding: hasHead ? Self.ofEmbedding : Self.ofHead
    case .weight(.head, _): Self.ofHead
    default: shares?.of(place) ?? 1
    }
  }
}
