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
  /// For each head a score that takes its share of attention and has no value, `[heads]`.
  case sinks
  /// The codes of a projection's weight of all experts in MXFP4, `[experts, out, in / 32, 16]`.
  case mxfp4Blocks(Projection)
  /// The scales of these blocks, `[experts, out, in / 32]`.
  case mxfp4Scales(Projection)

  /// Something of a family that isn't run here, by its name in the layer.
  case other(String)

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
    /// Which experts a token gets.
    case router
    /// The gate of an expert, `[out, in]`, or of all experts, `[experts, out, in]`.
    case expertGate
    /// Into an expert, likewise.
    case expertUp
    /// The gate and what goes into an expert at once, all gates first.
    case expertGateUp
    /// The same with gates and values in turn.
    case expertGateUpInTurn
    /// Out of an expert.
    case expertDown
    /// To the logits.
    case head

    /// What it is made of, as GGUF files have it: itself, or gate and values.
    public var parts: [Projection] {
      switch self {
      case .expertGateUp, .expertGateUpInTurn: [.expertGate, .expertUp]
      default: [self]
      }
    }

    /// Whether every expert has one.
    public var isOfExperts: Bool {
      switch self {
      case .expertGate, .expertUp, .expertGateUp, .expertGateUpInTurn, .expertDown: true
      default: false
      }
    }
  }

  /// How a weight lies.
  public enum Orientation: String, Sendable, Hashable {
    /// A row for each output.
    case outIn
    /// A row for each input, as GPT-2's `Conv1D` has them.
    case inOut
  }

  /// Whether GGUF files have it in the dtype of most weights, and quantizers make blocks of it: not positions, nor what chooses experts.
  public var isMatrix: Bool {
    switch self {
    case .weight(.router, _): false
    case .tokenEmbedding, .weight, .mxfp4Blocks, .mxfp4Scales: true
    case .positionEmbedding, .normScale, .normOffset, .bias, .sinks, .other: false
    }
  }

  /// Whether it is of weights in blocks: bytes, which stand for values only together.
  public var isOfBlocks: Bool {
    switch self {
    case .mxfp4Blocks, .mxfp4Scales: true
    default: false
    }
  }

  /// The projection that it is a weight or bias of; nil for embeddings and norms.
  public var projection: Projection? {
    switch self {
    case .weight(let projection, _), .bias(let projection), .mxfp4Blocks(let projection),
      .mxfp4Scales(let projection):
      projection
    default: nil
    }
  }
}
