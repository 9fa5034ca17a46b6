import ModelArchitectures

/// A layer that vLLM makes of several linear layers of a model, all experts among them, so that they have one format, and one scale where a tensor
/// has one.
struct FusedLayer: Hashable, Sendable, Codable {
  /// The place of its projections among `partners`.
  private let kind: UInt8
  private let layer: Int32?

  /// The layer that the weight at a place becomes a part of; nil for those that stay alone.
  init?(_ place: DecoderPlace) {
    guard case .weight(let projection, _) = place.role,
      let kind = Self.partners.firstIndex(where: { $0.contains(projection) })
    else { return nil }
    self.kind = UInt8(kind)
    layer = place.layer.map { Int32(clamping: $0) }
  }

  private static let partners: [[DecoderRole.Projection]] = [
    [.query, .key, .value], [.gate, .up], [.expertGate, .expertUp, .expertGateUp, .expertDown],
  ]
}
