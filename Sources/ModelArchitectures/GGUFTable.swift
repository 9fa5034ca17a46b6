public import TensorModel

/// How a family's models lie in GGUF files.
public struct GGUFTable: Sendable {
  /// `general.architecture`.
  public let architecture: String
  /// Projections whose rows stand in another order there, weights and biases.
  public let rowOrders: [DecoderRole.Projection: RowOrder]
  /// Projections that have a bias there and none in the family; it is zero.
  public let zeroBiases: [DecoderRole.Projection]

  /// How rows that Hugging Face's model has are ordered in the file.
  public enum RowOrder: Sendable, Hashable {
    /// Of each head's rotated rows first the even ones, then the odd ones: the file's model pairs halves.
    case halves
    /// Of each head's rotated rows one of the first half, one of the second: the file's model pairs neighbours.
    case pairs
    /// All queries, all keys, all values; the family has them head by head.
    case consecutive
  }

  /// A family's layout.
  public init(
    _ architecture: String, rowOrders: [DecoderRole.Projection: RowOrder] = [:],
    zeroBiases: [DecoderRole.Projection] = []
  ) {
    self.architecture = architecture
    self.rowOrders = rowOrders
    self.zeroBiases = zeroBiases
  }

  /// How the rows of a projection are ordered in the file, compared with the family's; nil if they are the same.
  public func permutation(
    _ projection: DecoderRole.Projection, _ configuration: DecoderConfiguration
  ) -> RowPermutation? {
    let rotated = configuration.rotary?.dimensions ?? configuration.headWidth
    let heads = projection == .key ? configuration.keyHeads : configuration.heads
    switch rowOrders[projection] {
    case nil: return nil
    case .halves:
      return RowPermutation(
        .halves(rotated: rotated), groupCount: heads, groupRowCount: configuration.headWidth)
    case .pairs:
      return RowPermutation(
        .interleaved(rotated: rotated), groupCount: heads, groupRowCount: configuration.headWidth)
    case .consecutive:
      return RowPermutation(
        .parts(count: 3), groupCount: heads, groupRowCount: 3 * configuration.headWidth)
    }
  }
}

extension DecoderRole {
  /// The name that a tensor of this role has in GGUF files (gguf-py's constants.py).
  ///
  /// - Parameter layer: nil for what belongs to none.
  /// - Returns: such as `blk.0.attn_q.weight`.
  public func ggufName(layer: Int?) -> String {
    let name =
      switch self {
      case .tokenEmbedding: "token_embd.weight"
      case .positionEmbedding: "position_embd.weight"
      case .normScale(let norm): "\(norm.ggufName).weight"
      case .normOffset(let norm): "\(norm.ggufName).bias"
      case .weight(let projection, _): "\(projection.ggufName).weight"
      case .bias(let projection): "\(projection.ggufName).bias"
      }
    return layer.map { "blk.\($0).\(name)" } ?? name
  }

  /// The projection that it is a weight or bias of; nil for embeddings and norms.
  public var projection: Projection? {
    switch self {
    case .weight(let projection, _), .bias(let projection): projection
    default: nil
    }
  }

  /// Whether it is a matrix that GGUF files have the other way round: theirs are `[out, in]`.
  public var isTransposedInGGUF: Bool {
    if case .weight(_, .inOut) = self { true } else { false }
  }
}

extension DecoderRole.Norm {
  fileprivate var ggufName: String {
    switch self {
    case .attention: "attn_norm"
    case .feedForward: "ffn_norm"
    case .final: "output_norm"
    }
  }
}

extension DecoderRole.Projection {
  fileprivate var ggufName: String {
    switch self {
    case .query: "attn_q"
    case .key: "attn_k"
    case .value: "attn_v"
    case .queryKeyValue: "attn_qkv"
    case .output: "attn_output"
    case .gate: "ffn_gate"
    case .up: "ffn_up"
    case .down: "ffn_down"
    case .head: "output"
    }
  }
}
