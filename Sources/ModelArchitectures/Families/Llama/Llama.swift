import FileContainers
import TensorModel

extension Architecture {
  /// The biases that projections have.
  enum LlamaBiases {
    /// None.
    case none
    /// Those that `attention_bias` and `mlp_bias` ask for.
    case asConfigured
    /// Of queries, keys and values.
    case ofQueriesKeysValues
    /// Those of the attention, if `attention_bias` asks for them.
    case ofAttentionAsConfigured
  }

  /// The norms that layers have.
  enum LlamaNorms {
    /// Before attention and feed-forward layer.
    case before
    /// The same, and of each head's queries and keys.
    case beforeAndOfHeads
    /// After attention and feed-forward layer, and of all queries and keys.
    case afterAndOfAll
    /// Before and after attention and feed-forward layer.
    case beforeAndAfter
    /// The same, and of each head's queries and keys.
    case beforeAndAfterAndOfHeads

    /// Whether each head's queries and keys are normed.
    var areOfHeads: Bool { self == .beforeAndOfHeads || self == .beforeAndAfterAndOfHeads }
  }

  /// Llama: RMS norms, rotary positions in halves, a gated feed-forward layer, heads that may share keys and values.
  public static let llama = llamaLike(
    name: "llama", modelClass: "LlamaForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": .null,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6, "attention_bias": false, "mlp_bias": false,
        "tie_word_embeddings": false,
      ].merging(RotarySpelling().defaults) { own, _ in own }),
    biases: .asConfigured,
    ggufTable: {
      GGUFTable(
        "llama", keys: GGUFSetting.ofLlama, constants: [("hidden_act", "silu")],
        flags: [("attention_bias", .bias(.query)), ("mlp_bias", .bias(.up))],
        rowOrders: [.query: .pairs, .key: .pairs], activations: [.silu], rotatesParts: false,
        hasRotaryDivisors: true, foreignKeys: ["expert_count"], largeModels: .sharingKeys)
    }
  ) { _, _ in }

  /// A family of Llama's layers.
  ///
  /// - Parameters:
  ///   - name: `model_type`.
  ///   - modelClass: of transformers.
  ///   - settings: what the class reads.
  ///   - biases: of its projections.
  ///   - norms: of its layers.
  ///   - rotary: how its class spells rotary positions.
  ///   - activationKey: the setting of the feed-forward layer's function.
  ///   - feedForward: the rows of the feed-forward layer.
  ///   - moreSizes: reads the sizes that only it has.
  ///   - ggufTable: makes its layout in GGUF files.
  ///   - rest: reads which layers see only so many tokens, and what else the family has.
  /// - Returns: the table.
  static func llamaLike(
    name: String, modelClass: String, settings: ClassSettings, biases: LlamaBiases,
    norms: LlamaNorms = .before, rotary: RotarySpelling = RotarySpelling(),
    activationKey: String? = "hidden_act", feedForward: [Row] = feedForwardOfLlama,
    moreSizes:
      @escaping @Sendable (
        inout SettingsReader, inout Dimensions
      ) throws(CheckpointError) -> Void = { _, _ in },
    ggufTable: @escaping @Sendable () -> GGUFTable,
    rest:
      @escaping @Sendable (
        inout SettingsReader, inout DecoderConfiguration
      ) throws(CheckpointError) -> Void
  ) -> Architecture {
    let outputBias: [Row] =
      biases == .asConfigured || biases == .ofAttentionAsConfigured
      ? [
        .weight(
          "model.layers.{i}.self_attn.o_proj.bias", [.model], .bias(.output), if: .attentionBias)
      ] : []
    return Architecture(
      name: name, modelClass: modelClass,
      rows: [
        .weight("model.embed_tokens.weight", [.vocabulary, .model], .tokenEmbedding),
        .weight(
          "model.layers.{i}.self_attn.q_proj.weight", [.queries, .model], .weight(.query)),
        .weight(
          "model.layers.{i}.self_attn.q_proj.bias", [.queries], .bias(.query),
          if: .attentionBias),
        .weight("model.layers.{i}.self_attn.k_proj.weight", [.keys, .model], .weight(.key)),
        .weight(
          "model.layers.{i}.self_attn.k_proj.bias", [.keys], .bias(.key), if: .attentionBias),
        .weight("model.layers.{i}.self_attn.v_proj.weight", [.keys, .model], .weight(.value)),
        .weight(
          "model.layers.{i}.self_attn.v_proj.bias", [.keys], .bias(.value), if: .attentionBias),
        .weight(
          "model.layers.{i}.self_attn.o_proj.weight", [.model, .queries], .weight(.output)),
      ] + outputBias + headNorms(norms) + feedForward + layerNorms(norms) + [
        .weight("model.norm.weight", [.model], .normScale(.final)),
        .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
      ],
      settings: settings,
      sizes: { (settings: inout SettingsReader) throws(CheckpointError) -> Dimensions in
        var dimensions = try Self.sizes(&settings, biases, norms)
        try moreSizes(&settings, &dimensions)
        return dimensions
      },
      decoder: {
        (settings: inout SettingsReader, dimensions: Dimensions) throws(CheckpointError)
          -> DecoderConfiguration in
        var decoder = try Self.decoderOfLlama(
          &settings, dimensions, family: name,
          norm: .rootMeanSquare(epsilon: try settings.epsilon("rms_norm_eps")), rotary,
          activationKey: activationKey)
        try rest(&settings, &decoder)
        return decoder
      },
      meshTable: { nil }, ggufTable: ggufTable)
  }

  /// The rows of a gated feed-forward layer.
  static let feedForwardOfLlama = gatedRows("model.layers.{i}.mlp", biases: .feedForwardBias)

  /// The rows of gate, up and down.
  ///
  /// - Parameters:
  ///   - module: what stands before their names.
  ///   - biases: when there are some; nil for never.
  ///   - condition: when the weights are there; nil for always.
  /// - Returns: the rows.
  static func gatedRows(
    _ module: String, biases: Condition? = nil, if condition: Condition? = nil
  ) -> [Row] {
    let parts: [(name: String, DecoderRole.Projection, out: Dimension, in: Dimension)] = [
      ("gate_proj", .gate, .inner, .model), ("up_proj", .up, .inner, .model),
      ("down_proj", .down, .model, .inner),
    ]
    return parts.flatMap { name, projection, out, input in
      let weight = Row.weight(
        "\(module).\(name).weight", [out, input], .weight(projection), if: condition)
      guard let biases else { return [weight] }
      return [weight, .weight("\(module).\(name).bias", [out], .bias(projection), if: biases)]
    }
  }

  private static func headNorms(_ norms: LlamaNorms) -> [Row] {
    let widths: (query: Dimension, key: Dimension)
    switch norms {
    case .before, .beforeAndAfter: return []
    case .beforeAndOfHeads, .beforeAndAfterAndOfHeads: widths = (.headWidth, .headWidth)
    case .afterAndOfAll: widths = (.queries, .keys)
    }
    return [
      .weight("model.layers.{i}.self_attn.q_norm.weight", [widths.query], .normScale(.query)),
      .weight("model.layers.{i}.self_attn.k_norm.weight", [widths.key], .normScale(.key)),
    ]
  }

  private static func layerNorms(_ norms: LlamaNorms) -> [Row] {
    switch norms {
    case .before, .beforeAndOfHeads:
      [
        .weight("model.layers.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
        .weight(
          "model.layers.{i}.post_attention_layernorm.weight", [.model], .normScale(.feedForward)),
      ]
    case .afterAndOfAll:
      [
        .weight(
          "model.layers.{i}.post_attention_layernorm.weight", [.model], .normScale(.afterAttention)),
        .weight(
          "model.layers.{i}.post_feedforward_layernorm.weight", [.model],
          .normScale(.afterFeedForward)),
      ]
    case .beforeAndAfter, .beforeAndAfterAndOfHeads:
      [
        .weight("model.layers.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
        .weight(
          "model.layers.{i}.post_attention_layernorm.weight", [.model], .normScale(.afterAttention)),
        .weight(
          "model.layers.{i}.pre_feedforward_layernorm.weight", [.model], .normScale(.feedForward)),
        .weight(
          "model.layers.{i}.post_feedforward_layernorm.weight", [.model],
          .normScale(.afterFeedForward)),
      ]
    }
  }

  private static func sizes(
    _ settings: inout SettingsReader, _ biases: LlamaBiases, _ norms: LlamaNorms
  ) throws(CheckpointError) -> Dimensions {
    var dimensions = try sizesOfLlama(&settings)
    switch biases {
    case .none: break
    case .ofQueriesKeysValues: dimensions.conditions.insert(.attentionBias)
    case .asConfigured:
      if try settings.flag("attention_bias") { dimensions.conditions.insert(.attentionBias) }
      if try settings.flag("mlp_bias") { dimensions.conditions.insert(.feedForwardBias) }
    case .ofAttentionAsConfigured:
      if try settings.flag("attention_bias") { dimensions.conditions.insert(.attentionBias) }
    }
    if norms.areOfHeads {
      dimensions.headWidth = try Heads(&settings, model: dimensions.model).width
    }
    return dimensions
  }

  /// The sizes of families whose settings have Llama's names, biases left to them.
  static func sizesOfLlama(
    _ settings: inout SettingsReader
  ) throws(CheckpointError) -> Dimensions {
    let model = try settings.count("hidden_size", below: Dimensions.widthLimit)
    let heads = try Heads(&settings, model: model)
    return Dimensions(
      layers: try settings.count("num_hidden_layers", below: Dimensions.layerLimit), model: model,
      inner: try settings.width("intermediate_size"), vocabulary: try settings.count("vocab_size"),
      queries: heads.count * heads.width, keys: heads.keyCount * heads.width,
      conditions: try settings.untiedHead())
  }

  /// How families compute whose settings have Llama's names, but for what their own norms are.
  static func decoderOfLlama(
    _ settings: inout SettingsReader, _ dimensions: Dimensions, family: String,
    norm: DecoderConfiguration.Norm, _ rotary: RotarySpelling,
    activationKey: String? = "hidden_act"
  ) throws(CheckpointError) -> DecoderConfiguration {
    let heads = try Heads(&settings, model: dimensions.model)
    let limit = try settings.count("max_position_embeddings")
    var decoder = DecoderConfiguration(
      family: family, dimensions: dimensions, heads: heads.count, keyHeads: heads.keyCount,
      headWidth: heads.width, norm: norm, residual: .sequential,
      activation: try activationKey.map { (key) throws(CheckpointError) in
        try .init(&settings, key)
      } ?? .silu, positionLimit: limit)
    decoder.rotary = try .init(
      &settings, rotary, headWidth: heads.width, layout: .halves, positionLimit: limit,
      of: rotary.slidingBase == nil ? nil : .full)
    if let sliding = rotary.ofSlidingLayers {
      decoder.slidingRotary = try .init(
        &settings, sliding, headWidth: heads.width, layout: .halves, positionLimit: limit,
        of: .sliding)
    }
    return decoder
  }

  /// The heads of a configuration.
  private struct Heads {
    let count: Int
    let keyCount: Int
    let width: Int

    init(_ settings: inout SettingsReader, model: Int) throws(CheckpointError) {
      count = try settings.count("num_attention_heads", below: Dimensions.headLimit)
      keyCount =
        try settings.optionalCount("num_key_value_heads", below: Dimensions.headLimit) ?? count
      let own =
        settings.reads("head_dim")
        ? try settings.optionalCount("head_dim", below: Dimensions.headLimit) : nil
      width = own ?? model / count
    }
  }
}

extension GGUFSetting {
  /// The same for models whose heads have a width of their own.
  static let ofLlamaWithoutHeads = ofLlama.filter { $0.meaning != .headWidth }

  /// The keys of sizes whose settings have Llama's names.
  static let sizesOfLlama = [
    GGUFSetting("context_length", "max_position_embeddings", .positions),
    GGUFSetting("embedding_length", "hidden_size", .model),
    GGUFSetting("block_count", "num_hidden_layers", .layers),
    GGUFSetting("feed_forward_length", "intermediate_size", .inner),
    GGUFSetting("attention.head_count", "num_attention_heads", .heads),
    GGUFSetting("attention.head_count_kv", "num_key_value_heads", .keyHeads),
    GGUFSetting("vocab_size", nil, .vocabulary),
  ]

  /// The keys of models whose settings have Llama's names.
  static let ofLlama =
    sizesOfLlama + [
      GGUFSetting("attention.layer_norm_rms_epsilon", "rms_norm_eps", .epsilon),
      GGUFSetting("attention.key_length", "head_dim", .headWidth),
      GGUFSetting("attention.value_length", nil, .headWidth),
      GGUFSetting("rope.dimension_count", nil, .rotaryDimensions),
      GGUFSetting("rope.freq_base", "rope_theta", .rotaryBase),
    ]
}
