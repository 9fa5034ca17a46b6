import ModelArchitectures

/// A layer that vLLM makes of several linear layers of a model, all experts among them, so that they have one format, and one scale where a tensor
/// has one.
struct FusedLayer: Hashable {
  private let first: DecoderRole.Projection
  private let layer: Int?

  /// The layer that the weight at a place becomes a part of; nil for those that stay alone.
  init?(_ place: DecoderPlace) {
    guard case .weight(let projection, _) = place.role,
      let partners = Self.partners.first(where: { $0.contains(projection) })
    else { return nil }
    first = partners[0]
    layer = place.layer
  }

  private static let partners: [[DecoderRole.Projection]] = [
    [.query, .key, .value], [.gate, .up], [.expertGate, .expertUp, .expertGateUp, .expertDown],
  ]
}
