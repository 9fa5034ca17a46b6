/// How a decoder computes, apart from its weights: everything that a configuration says about it.
public struct DecoderConfiguration: Sendable, Hashable {
  /// The family.
  public var family: String
  /// Sizes of the tensors.
  public var dimensions: Architecture.Dimensions
  /// Heads of the attention.
  public var heads: Int
  /// Heads of keys and values; each serves heads / keyHeads heads of queries.
  public var keyHeads: Int
  /// The width of a head.
  public var headWidth: Int
  /// The norms.
  public var norm: Norm
  /// How a layer's parts are added up.
  public var residual: Residual
  /// How positions enter; nil for learned embeddings of positions.
  public var rotary: Rotary?
  /// The feed-forward layer's function.
  public var activation: Activation
  /// What queries · keys are multiplied with, by layer.
  public var attentionScales: [Double]
  /// How far back a token sees, itself included, by layer; nil without a limit.
  public var windows: [Int?]
  /// In which order fused queries, keys and values come out; nil if they are separate.
  public var fusedOrder: FusedOrder?
  /// The longest sequence that it was made for; nil if the configuration doesn't say.
  public var positionLimit: Int?

  /// A norm of the residual stream.
  public enum Norm: Sendable, Hashable {
    /// (x − mean) / √(variance + epsilon) · scale + offset.
    case layer(epsilon: Double)
    /// x / √(mean of squares + epsilon) · scale.
    case rootMeanSquare(epsilon: Double)
  }

  /// How a layer's parts are added up.
  public enum Residual: Sendable, Hashable {
    /// x + attention(norm(x)), then the feed-forward layer of another norm of that.
    case sequential
    /// x + attention(norm(x)) + feedForward(norm(x)) with one norm.
    case parallel
    /// The same with a norm for each.
    case parallelWithTwoNorms
  }

  /// Rotary positions (https://arxiv.org/abs/2104.09864).
  public struct Rotary: Sendable, Hashable {
    /// The number of a head's dimensions that are rotated, the first ones.
    public var dimensions: Int
    /// Which dimensions form a pair.
    public var layout: Layout
    /// What the frequencies are powers of.
    public var base: Double
    /// Radians per position of each pair.
    public var frequencies: [Double]
    /// The same before they are scaled for longer sequences.
    public var unscaledFrequencies: [Double]
    /// What cosines and sines are multiplied with.
    public var factor: Double
    /// Positions from which on the frequencies depend on the sequence's length, as `dynamic` scaling has it; nil if they never do.
    public var dynamicFrom: Int? = nil
    /// How the frequencies came out of the unscaled ones.
    public var scaling = Scaling.none

    /// How frequencies are scaled for longer sequences, as `rope_type` names it.
    public enum Scaling: Sendable, Hashable {
      /// Not at all.
      case none
      /// All divided by one factor.
      case linear(factor: Double)
      /// Some, by their wavelength.
      case llama3(Llama3Scaling)
      /// Some, by their number of rotations, and attention along with them.
      case yarn
      /// As the sequence's length has it.
      case dynamic
    }

    /// Which dimensions form a pair.
    public enum Layout: String, Sendable, Hashable {
      /// 2j and 2j + 1.
      case interleaved
      /// j and j + half of them.
      case halves
    }
  }

  /// The feed-forward layer's function.
  public enum Activation: String, Sendable, Hashable {
    /// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))).
    case geluTanh
    /// 0.5 x (1 + erf(x / √2)).
    case gelu
    /// x / (1 + exp(−x)).
    case silu
    /// max(0, x).
    case relu
  }

  /// How the outputs of a fused projection are arranged.
  public enum FusedOrder: String, Sendable, Hashable {
    /// All queries, all keys, all values.
    case consecutive
    /// For each head its query, key and value.
    case byHead
  }
}
