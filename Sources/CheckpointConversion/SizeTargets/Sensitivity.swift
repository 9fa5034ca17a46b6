import CheckpointFormats
import ModelArchitectures
import TensorModel

/// How much an error counts by what a weight is for.
///
/// A relative error of one matrix in a decoder's layers costs about as much as the same in another, whatever their sizes. What makes the logits has no layer after
/// it that averages, and the embedding none before it. The factors were measured as the KL divergence that one quantized weight alone makes
/// (`scripts/benchmarks/quality sensitivity`), as orders of magnitude.
struct Sensitivity {
  private static let ofHead = 32.0
  private static let ofEmbedding = 8.0

  /// By the names of stored tensors.
  private var factors: [ExactName: Double] = [:]

  /// For a model; in one that isn't known all weights count alike.
  init(_ model: ModelContents) {
    let places = Array(model.placed)
    let hasHead = places.contains { $0.0.role.projection == .head }
    var counts: [DecoderPlace: Int] = [:]
    for (place, _) in places { counts[DecoderPlace(place.role, place.layer), default: 0] += 1 }
    for (place, tensor) in places {
      let factor =
        switch place.role {
        case .tokenEmbedding: hasHead ? Self.ofEmbedding : Self.ofHead
        case .weight(.head, _): Self.ofHead
        // Of many experts a token meets some.
        default: 1 / Double(counts[DecoderPlace(place.role, place.layer)] ?? 1)
        }
      for source in tensor.expression.sources { factors[ExactName(source)] = factor }
    }
  }

  /// Of what an expression reads.
  func of(_ expression: TensorExpression) -> Double {
    expression.sources.compactMap { factors[ExactName($0)] }.max() ?? 1
  }
}
