import FileContainers
public import TensorModel

/// The settings that a model was trained with by GPT-NeoX's own code, with that code's defaults, which aren't Hugging Face's.
///
/// Source: `megatron/neox_arguments/neox_args.py` and `arguments.py` of EleutherAI/gpt-neox. Hyphens in keys are underscores.
public struct NeoXConfiguration: Sendable, Hashable {
  /// `num_layers`.
  public let layers: Int
  /// `hidden_size`.
  public let width: Int
  /// `num_attention_heads`.
  public let heads: Int
  /// `max_position_embeddings`.
  public let positions: Int
  /// `model_parallel_size`; nil where nothing says it.
  public let rankCount: Int?
  /// `intermediate_size`; nil for four times the width.
  public let inner: Int?
  /// `gpt_j_residual`: attention and feed-forward layer run in parallel.
  public let isParallel: Bool
  /// Whether the head is the embedding's weights: not `no_weight_tying`.
  public let isTied: Bool
  /// Whether the activation is computed by the tanh approximation, as `bias_gelu_fusion` does it.
  public let isGeluApproximated: Bool
  private let activation: String
  private let rotaryFraction: Double
  private let rotaryBase: Double
  private let epsilon: Double

  /// Reads settings.
  ///
  /// - Parameter settings: all files' together, or a `config.json` in Hugging Face's form.
  /// - Throws: `usage` for what is missing, null or can't be; `unsupported` for models that Hugging Face's family doesn't compute.
  public init(_ settings: NeoXSettings) throws(CheckpointError) {
    try NeoXSettings.requireKnown(settings)
    layers = try settings.count("num_layers", below: Architecture.Dimensions.layerLimit)
    width = try settings.count("hidden_size", below: Architecture.Dimensions.widthLimit)
    heads = try settings.count("num_attention_heads", below: Architecture.Dimensions.headLimit)
    positions = try settings.count("max_position_embeddings")
    rankCount = try settings.optionalCount("model_parallel_size")
    inner = try settings.optionalCount("intermediate_size")
    isParallel = try settings.flag("gpt_j_residual", default: false)
    isTied = try !settings.flag("no_weight_tying", default: false)
    rotaryFraction = try settings.number("rotary_pct", default: 1)
    rotaryBase = try settings.number("rotary_emb_base", default: 10_000)
    epsilon = try settings.number("layernorm_epsilon", default: 1e-5)
    guard width % heads == 0 else {
      throw settings.misfit(
        "num_attention_heads", "a divisor of hidden_size \(width)", found: "\(heads)")
    }
    let name = try settings.text("activation", default: "gelu")
    let isFused = try settings.flag("bias_gelu_fusion", default: false)
    isGeluApproximated = name == "gelu" && isFused
    guard let activation = Self.activations[name] else {
      throw settings.unsupported("activation", Self.activations.keys.sorted())
    }
    self.activation = isGeluApproximated ? "gelu_fast" : activation
  }

  /// Activations by their names here, as Hugging Face calls them.
  private static let activations = [
    "gelu": "gelu", "relu": "relu", "silu": "silu", "swish": "silu", "mish": "mish",
  ]

  /// `config.json` as transformers wants it.
  ///
  /// - Parameters:
  ///   - vocabulary: rows of the embedding, padding included.
  ///   - inner: the feed-forward layer's width.
  ///   - hasAttentionBias: whether projections of the attention have biases.
  ///   - dtype: of most weights.
  /// - Returns: its text.
  public func huggingFaceConfiguration(
    vocabulary: Int, inner: Int, hasAttentionBias: Bool, dtype: DType
  ) -> [UInt8] {
    let dropout = JSONValue.number("0.0")
    var members: [JSONValue.Member] = [
      .init("architectures", .array([.string(Architecture.gptNeoX.modelClass)])),
      .init("attention_bias", .bool(hasAttentionBias)),
      .init("attention_dropout", dropout),
      // Which token ends a text is the tokenizer's matter.
      .init("bos_token_id", .null), .init("eos_token_id", .null),
      .init("hidden_act", .string(activation)),
      .init("hidden_dropout", dropout),
      .init("hidden_size", .integer(width)),
      .init("initializer_range", .number("0.02")),
      .init("intermediate_size", .integer(inner)),
      .init("layer_norm_eps", .number("\(epsilon)")),
      .init("max_position_embeddings", .integer(positions)),
      .init("model_type", .string(Architecture.gptNeoX.name)),
      .init("num_attention_heads", .integer(heads)),
      .init("num_hidden_layers", .integer(layers)),
      .init("rotary_emb_base", .number("\(rotaryBase)")),
      .init("rotary_pct", .number("\(rotaryFraction)")),
      .init("tie_word_embeddings", .bool(isTied)),
    ]
    if let name = dtype.torchName { members.append(.init("torch_dtype", .string(name))) }
    members += [
      .init("use_cache", .bool(true)), .init("use_parallel_residual", .bool(isParallel)),
      .init("vocab_size", .integer(vocabulary)),
    ]
    return Array((JSONValue.object(members).documentText + "\n").utf8)
  }

  /// Settings filled in as far as shapes prove them, `null` where they don't; the rest has the training code's defaults.
  ///
  /// - Parameters:
  ///   - layers: the number of layers.
  ///   - width: of the model.
  ///   - inner: the feed-forward layer's width.
  ///   - ranks: over which matrices are cut.
  ///   - isTied: whether there is no head.
  /// - Returns: the text, for the user to complete.
  public static func template(
    layers: Int, width: Int, inner: Int, ranks: Int, isTied: Bool
  ) -> String {
    JSONValue.object([
      .init("num_layers", .integer(layers)), .init("hidden_size", .integer(width)),
      .init("intermediate_size", .integer(inner)), .init("model_parallel_size", .integer(ranks)),
      .init("no_weight_tying", .bool(!isTied)), .init("pos_emb", .string("rotary")),
      .init("norm", .string("layernorm")), .init("layernorm_epsilon", .number("1e-05")),
      .init("rotary_emb_base", .integer(10_000)), .init("activation", .string("gelu")),
      .init("num_attention_heads", .null), .init("max_position_embeddings", .null),
      .init("gpt_j_residual", .null), .init("rotary_pct", .null), .init("bias_gelu_fusion", .null),
    ]).documentText
  }
}
