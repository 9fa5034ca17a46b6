/// What a tensor of a decoder is used for.
///
/// Weights are `[out, in]`, as linear layers of PyTorch have them, unless the role says `[in, out]`.
public enum DecoderRole: Sendable, Hashable {
  /// A row for each token, `[vocabulary, model]`.
  case tokenEmbedding
  /// A row for each position, `[positions, model]`.
  case positionEmbedding
  /// The scale of a norm.
  case normScale(Norm)
  /// The offset of a norm.
  case normOffset(Norm)
  /// The weight of a projection.
  case weight(Projection, Orientation = .outIn)
  /// The bias of a projection.
  case bias(Projection)

  /// The norms of a decoder.
  public enum Norm: String, Sendable, Hashable, CaseIterable {
    /// Before the attention, and where there is one norm only before the feed-forward layer too.
    case attention
    /// Before the feed-forward layer.
    case feedForward
    /// Of what the attention has computed, before it is added.
    case afterAttention
    /// Of what the feed-forward layer has computed, before it is added.
    case afterFeedForward
    /// Of queries, before they are rotated: of each head, or of all at once, as its width says.
    case query
    /// Of keys, likewise.
    case key
    /// Of the embeddings, before the first layer.
    case embedding
    /// After the last layer.
    case final
  }

  /// The linear projections of a decoder.
  public enum Projection: String, Sendable, Hashable, CaseIterable {
    /// Queries.
    case query
    /// Keys.
    case key
    /// Values.
    case value
    /// Queries, keys and values at once; the architecture says in which order they come out.
    case queryKeyValue
    /// From the heads back to the model's width.
    case output
    /// The gate of a gated feed-forward layer.
    case gate
    /// Into the feed-forward layer.
    case up
    /// The gate and what goes into the feed-forward layer at once, all gates first.
    case gateUp
    /// Out of the feed-forward layer.
    case down
    /// From an embedding of another width to the model's.
    case embeddingIn
    /// From the model's width back to the embedding's.
    case embeddingOut
    /// To the logits.
    case head
  }

  /// How a weight lies.
  public enum Orientation: String, Sendable, Hashable {
    /// A row for each output.
    case outIn
    /// A row for each input, as GPT-2's `Conv1D` has them.
    case inOut
  }

  /// The projection that it is a weight or bias of; nil for embeddings and norms.
  public var projection: Projection? {
    switch self {
    case .weight(let projection, _), .bias(let projection): projection
    default: nil
    }
  }
}
