public import FileContainers
public import TensorModel

/// How a family's models lie in GGUF files: which graph of llama.cpp computes them, and where the files differ from Hugging Face's.
public struct GGUFTable: Sendable {
  /// `general.architecture`.
  public let architecture: String
  /// Whether the graph was made for another family, so that only files that name this one are of it.
  public let isGuest: Bool
  /// Which key of a file says which setting of `config.json`.
  public let keys: [GGUFSetting]
  /// Settings of `config.json` that the graph has built in, for files that say no more.
  public let constants: [(setting: String, value: JSONValue)]
  /// Settings that no key says, but the presence of a tensor in the first layer.
  public let flags: [(setting: String, role: DecoderRole)]
  /// Projections whose rows stand in another order there, weights and biases.
  public let rowOrders: [DecoderRole.Projection: RowOrder]
  /// Projections that have a bias there and none in the family; it is zero.
  public let zeroBiases: [DecoderRole.Projection]
  /// The functions of the feed-forward layer that the graph computes, or nearly.
  public let activations: Set<DecoderConfiguration.Activation>
  /// What the graph does about layers that see only so many tokens.
  public let windows: Windows
  /// Of how many layers the last isn't rotated, in all the model; nil where all are.
  public let unrotatedPeriod: Int?
  /// Whether the graph adds positions to scores, by ALiBi's slopes.
  public let hasSlopes: Bool
  /// Whether a head that shares the embedding's weights is written once more.
  public let repeatsTiedHead: Bool
  /// Whether rotary positions may turn a part of each head.
  public let rotatesParts: Bool
  /// Whether the file can hold divisors of rotary frequencies (`rope_freqs.weight`).
  public let hasRotaryDivisors: Bool
  /// What a model must have, because the graph asks for the tensors.
  public let requirements: Set<Architecture.Condition>
  /// What it must not have, because the graph has no place for the tensors.
  public let exclusions: Set<Architecture.Condition>
  /// Keys that, where they aren't 0, make a file one of another family of the same graph.
  public let foreignKeys: [String]
  /// Whether the family's tokenizers compose texts (NFC), which llama.cpp doesn't.
  public let composesTexts: Bool
  /// Which models of 80 layers llama-quantize takes for one of 70 billion weights.
  public let largeModels: LargeModels

  /// What a graph does about layers that see only so many tokens.
  public enum Windows: Sendable, Hashable {
    /// It has none.
    case none
    /// It reads the key and computes without.
    case ignored
  }

  /// Which models of 80 layers llama-quantize gives more bits to (llama-quant.cpp).
  public enum LargeModels: Sendable, Hashable {
    /// None.
    case none
    /// All.
    case all
    /// Those whose heads share keys.
    case sharingKeys
  }

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
  init(
    _ architecture: String, isGuest: Bool = false, keys: [GGUFSetting],
    constants: [(setting: String, value: JSONValue)] = [],
    flags: [(setting: String, role: DecoderRole)] = [],
    rowOrders: [DecoderRole.Projection: RowOrder] = [:],
    zeroBiases: [DecoderRole.Projection] = [],
    activations: Set<DecoderConfiguration.Activation>, windows: Windows = .none,
    unrotatedPeriod: Int? = nil, hasSlopes: Bool = false, repeatsTiedHead: Bool = false,
    rotatesParts: Bool = true, hasRotaryDivisors: Bool = false,
    requirements: Set<Architecture.Condition> = [],
    exclusions: Set<Architecture.Condition> = [], foreignKeys: [String] = [],
    composesTexts: Bool = false, largeModels: LargeModels = .none
  ) {
    self.architecture = architecture
    self.isGuest = isGuest
    self.keys = keys
    self.constants = constants
    self.flags = flags
    self.rowOrders = rowOrders
    self.zeroBiases = zeroBiases
    self.activations = activations
    self.windows = windows
    self.unrotatedPeriod = unrotatedPeriod
    self.hasSlopes = hasSlopes
    self.repeatsTiedHead = repeatsTiedHead
    self.rotatesParts = rotatesParts
    self.hasRotaryDivisors = hasRotaryDivisors
    self.requirements = requirements
    self.exclusions = exclusions
    self.foreignKeys = foreignKeys
    self.composesTexts = composesTexts
    self.largeModels = largeModels
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
    case .afterAttention: "post_attention_norm"
    case .afterFeedForward: "post_ffw_norm"
    case .query: "attn_q_norm"
    case .key: "attn_k_norm"
    case .embedding: "token_embd_norm"
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
    case .up, .gateUp: "ffn_up"
    case .down: "ffn_down"
    case .head: "output"
    // No graph has them.
    case .embeddingIn: "token_embd_in"
    case .embeddingOut: "token_embd_out"
    }
  }
}
