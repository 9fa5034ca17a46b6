import ModelArchitectures

/// Weights whose errors are taken to count alike in predictions: what they are for, and in which part of the depth they lie.
struct WeightKind: Hashable {
  /// What a weight is for.
  enum Purpose: String, Hashable {
    /// Rows for tokens.
    case embedding
    /// Queries, keys and values.
    case attentionIn = "attention in"
    /// From the heads to the residual stream.
    case attentionOut = "attention out"
    /// Gates and what goes into a feed-forward layer, or into experts.
    case feedForwardIn = "feed-forward in"
    /// From there to the residual stream.
    case feedForwardOut = "feed-forward out"
    /// Logits.
    case head
    /// Anything else, and everything in a model that isn't known.
    case other
  }

  /// What it is for.
  let purpose: Purpose
  /// The layers that it has weights in, from 0; nil for what belongs to none.
  let layers: Range<Int>?

  /// The depth has at most so many parts, which have as many layers but for one.
  private static let partCount = 4

  /// The kind of a weight.
  ///
  /// - Parameters:
  ///   - place: what it is used for; nil if that isn't known.
  ///   - layerCount: layers of the model.
  init(_ place: DecoderPlace?, layerCount: Int) {
    purpose = place.map { Purpose($0.role) } ?? .other
    layers = place?.layer.map { layer in
      let count = min(Self.partCount, layerCount)
      let part = layer * count / layerCount
      // The first layers of this part and of the next.
      let ends = (part...part + 1).map { ($0 * layerCount + count - 1) / count }
      return ends[0]..<ends[1]
    }
  }

  /// Whether it stands at an end of the decoder.
  var isAtEnd: Bool { purpose == .embedding || purpose == .head }
}

extension WeightKind.Purpose {
  fileprivate init(_ role: DecoderRole) {
    self =
      switch role {
      case .tokenEmbedding: .embedding
      case .weight(let projection, _): WeightKind.Purpose(projection)
      default: .other
      }
  }

  private init(_ projection: DecoderRole.Projection) {
    self =
      switch projection {
      case .query, .key, .value, .queryKeyValue: .attentionIn
      case .output: .attentionOut
      case .gate, .up, .gateUp, .expertGate, .expertUp, .expertGateUp, .expertGateUpInTurn:
        .feedForwardIn
      case .down, .expertDown: .feedForwardOut
      case .head: .head
      case .router, .embeddingIn, .embeddingOut: .other
      }
  }
}
