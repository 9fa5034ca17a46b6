public import TensorModel

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
  /// How they enter layers with a window, where that is another way.
  public var slidingRotary: Rotary?
  /// The feed-forward layer's function.
  public var activation: Activation
  /// What queries · keys are multiplied with, by layer.
  public var attentionScales: [Double]
  /// What embeddings are multiplied with.
  public var embeddingFactor = 1.0
  /// What attention and feed-forward layer are multiplied with before they are added.
  public var residualFactor = 1.0
  /// What logits are divided by.
  public var logitDivisor = 1.0
  /// c in c · tanh(score / c), which scores are made before the softmax; nil leaves them.
  public var scoreCap: Double?
  /// The same for logits.
  public var logitCap: Double?
  /// Whether norms multiply with 1 + weight.
  public var addsOneToNorms = false
  /// What a mixture's experts are and how tokens get theirs; nil for families without.
  public var experts: Experts?
  /// For each head what a key's position is multiplied with and added to its score (https://arxiv.org/abs/2108.12409); nil for families without.
  public var positionSlopes: [Double]?
  /// Whether slopes, positions and their products are rounded to bfloat16, and scaled as scores are, as Falcon has them.
  public var roundsSlopes = false
  /// Which row of the embedding of positions the first token gets.
  public var firstPosition = 0
  /// Whether rotary positions enter, by layer.
  public var rotatedLayers: [Bool]
  /// How far back a token sees, itself included, by layer; nil without a limit.
  public var windows: [Int?]
  /// In which order fused queries, keys and values come out; nil if they are separate.
  public var fusedOrder: FusedOrder?
  /// The longest sequence that it was made for; nil if the configuration doesn't say.
  public var positionLimit: Int?

  /// Reads Hugging Face's `config.json` for all that it says about the computation.
  ///
  /// - Parameters:
  ///   - configuration: the document.
  ///   - isStrict: whether settings that aren't computed here are refused; how weights lie doesn't depend on them.
  /// - Throws: `unsupported` for families and settings that aren't computed here, by name and value; `usage` for values that can't be right.
  public init(
    _ configuration: HuggingFaceConfiguration, isStrict: Bool = true
  ) throws(CheckpointError) {
    let architecture = try configuration.knownArchitecture()
    var settings = SettingsReader(
      architecture.settings(in: configuration.document), architecture.settings)
    let dimensions = try architecture.sizes(&settings)
    self = try architecture.decoder(&settings, dimensions)
    if isStrict { try settings.expectNothingElse() }
    // Where queries don't say how wide they are, the heads share the model's width.
    guard dimensions.model == heads * headWidth || dimensions.queries == heads * headWidth,
      headWidth > 0, heads % keyHeads == 0
    else {
      throw CheckpointError(
        .usage, "the configuration's heads don't divide", file: "config.json",
        expected: "heads that divide the model's width, and heads of keys that divide heads",
        found: "\(heads) heads, \(keyHeads) of keys, width \(dimensions.model)",
        hint: "compare it with the config.json that was published with the model")
    }
  }

  /// A decoder of a family, with what most have.
  init(
    family: String, dimensions: Architecture.Dimensions, heads: Int, keyHeads: Int? = nil,
    headWidth: Int, norm: Norm, residual: Residual, activation: Activation, positionLimit: Int?
  ) {
    self.family = family
    self.dimensions = dimensions
    self.heads = heads
    self.keyHeads = keyHeads ?? heads
    self.headWidth = headWidth
    self.norm = norm
    self.residual = residual
    self.activation = activation
    self.positionLimit = positionLimit
    attentionScales = Array(
      repeating: 1 / Double(headWidth).squareRoot(), count: dimensions.layers)
    windows = Array(repeating: nil, count: dimensions.layers)
    rotatedLayers = Array(repeating: true, count: dimensions.layers)
  }

  /// A norm of the residual stream.
  public enum Norm: Sendable, Hashable {
    /// (x − mean) / √(variance + epsilon) · scale + offset.
    case layer(epsilon: Double)
    /// x / √(mean of squares + epsilon) · scale.
    case rootMeanSquare(epsilon: Double)
  }

  /// The experts of a mixture's layers.
  public struct Experts: Sendable, Hashable {
    /// How many a token gets.
    public var chosenCount: Int
    /// How their results are weighted.
    public var weighting: Weighting
    /// The function of their gates, where it isn't the activation: (up + 1) · gate · σ(alpha · gate), of gates and values cut at a limit.
    public var clampedGate: ClampedGate?

    /// How the results of a token's experts are weighted.
    public enum Weighting: String, Sendable, Hashable {
      /// By the softmax over all experts.
      case softmax
      /// By the same, divided by its sum over the chosen ones.
      case normalisedSoftmax
      /// By the softmax over the chosen ones.
      case softmaxOfChosen
    }

    /// What gates and values of an expert are cut at, and how steep the gate is.
    public struct ClampedGate: Sendable, Hashable {
      /// The gate's slope.
      public var alpha: Double
      /// The most of both, and the least of values negated.
      public var limit: Double
    }
  }

  /// How a layer's parts are added up.
  public enum Residual: Sendable, Hashable {
    /// x + attention(norm(x)), then the feed-forward layer of another norm of that; each norm where the family has it.
    case sequential
    /// norm(x + attention(x)), then the same with the feed-forward layer.
    case normedAfterwards
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
      case yarn(YarnScaling)
      /// As the sequence's length has it.
      case dynamic
      /// Each by a factor of its own, by others beyond the original length, and attention along with them.
      case longrope(LongropeScaling)
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

    /// The function that transformers' `ACT2FN` has under a name.
    init(_ settings: inout SettingsReader, _ key: String) throws(CheckpointError) {
      switch try settings.text(key) {
      case "gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate":
        self = .geluTanh
      case "gelu", "gelu_python": self = .gelu
      case "silu", "swish": self = .silu
      case "relu": self = .relu
      case let name where Self.others.contains(name):
        throw settings.unsupported(
          key,
          expected: "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, gelu_accurate, silu or relu")
      default: throw settings.misfit(key, "a function that transformers has, such as silu or gelu")
      }
    }

    /// Functions that transformers has beside these (activations.py, `ACT2CLS`).
    private static let others: Set<String> = [
      "gelu_10", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu2",
      "relu6", "sigmoid", "sqrtsoftplus", "tanh", "prelu", "xielu",
    ]
  }

  /// How the outputs of a fused projection are arranged.
  public enum FusedOrder: String, Sendable, Hashable {
    /// All queries, all keys, all values.
    case consecutive
    /// For each head of keys its queries, its key and its value.
    case byHead
  }

  /// Where in the outputs of a fused projection queries (0), keys (1) or values (2) are, in the order of the heads.
  ///
  /// - Parameter part: which of them.
  /// - Returns: runs of rows; none for separate projections.
  public func fusedRuns(_ part: Int) -> [Range<Int>] {
    let shared = heads / keyHeads * headWidth
    let counts = [shared, headWidth, headWidth]
    switch fusedOrder {
    case nil: return []
    case .consecutive:
      let start = counts[..<part].reduce(0, +) * keyHeads
      return [start..<start + counts[part] * keyHeads]
    case .byHead:
      return (0..<keyHeads).map { head in
        let start = head * counts.reduce(0, +) + counts[..<part].reduce(0, +)
        return start..<start + counts[part]
      }
    }
  }
}
