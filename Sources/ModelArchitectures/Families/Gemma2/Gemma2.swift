import FileContainers
import TensorModel

extension Architecture {
  /// Gemma 2: four norms a layer that multiply with 1 + weight, scaled embeddings, caps of scores and logits, windows in every other layer.
  public static let gemma2 = llamaLike(
    name: "gemma2", modelClass: "Gemma2ForCausalLM",
    settings: ClassSettings(
      settingsOfGemma.merging([
        "vocab_size": 256000, "max_position_embeddings": 8192, "final_logit_softcapping": 30.0,
        "attn_logit_softcapping": 50.0, "use_bidirectional_attention": .null,
      ]) { _, own in own }.merging(RotarySpelling().defaults) { own, _ in own },
      optional: optionalOfGemma),
    biases: .ofAttentionAsConfigured, norms: .beforeAndAfter, activationKey: "hidden_activation",
    ggufTable: {
      GGUFTable(
        "gemma2",
        keys: GGUFSetting.ofGemma + [
          GGUFSetting("attn_logit_softcapping", "attn_logit_softcapping", .scoreCap),
          GGUFSetting("final_logit_softcapping", "final_logit_softcapping", .logitCap),
        ],
        constants: [("hidden_activation", "gelu_pytorch_tanh")], activations: [.geluTanh],
        windows: .patterned(period: 2), needsWindow: true, sharedScaleLayerCount: 46,
        completion: scaleOfGemma(sharedBy: 46), alwaysCaps: true, scalesEmbeddings: true,
        rotatesParts: false,
        exclusions: [.attentionBias, .untiedHead])
    }
  ) {
    (settings: inout SettingsReader, decoder: inout DecoderConfiguration) throws(CheckpointError) in
    try readGemma(&settings, &decoder, period: 2)
    decoder.scoreCap = try cap("attn_logit_softcapping", &settings)
  }

  /// The settings of both Gemmas, with the defaults that are the same.
  static let settingsOfGemma: [String: JSONValue] = [
    "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
    "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "attention_bias": false,
    "query_pre_attn_scalar": 256, "sliding_window": 4096, "layer_types": .null,
    "tie_word_embeddings": true,
  ]
  /// Those that may be null.
  static let optionalOfGemma: Set<String> = [
    "sliding_window", "layer_types", "final_logit_softcapping", "attn_logit_softcapping",
    "use_bidirectional_attention",
  ]

  /// Reads what both Gemmas have.
  ///
  /// - Parameters:
  ///   - settings: of the model.
  ///   - decoder: gets it.
  ///   - period: of so many layers the last sees everything, where nothing says which.
  /// - Throws: `usage` or `unsupported`.
  static func readGemma(
    _ settings: inout SettingsReader, _ decoder: inout DecoderConfiguration, period: Int
  ) throws(CheckpointError) {
    decoder.embeddingFactor = Double(decoder.dimensions.model).squareRoot()
    decoder.addsOneToNorms = true
    decoder.logitCap = try cap("final_logit_softcapping", &settings)
    let scalar = try settings.number("query_pre_attn_scalar")
    guard scalar > 0 else { throw settings.misfit("query_pre_attn_scalar", "a number over 0") }
    decoder.attentionScales = decoder.attentionScales.map { _ in 1 / scalar.squareRoot() }
    if try settings.value("use_bidirectional_attention")?.boolean ?? false {
      throw settings.unsupported("use_bidirectional_attention", expected: "false")
    }
    try settings.windows(&decoder, period: period)
  }

  private static func cap(
    _ key: String, _ settings: inout SettingsReader
  ) throws(CheckpointError) -> Double? {
    guard let cap = try settings.optionalNumber(key) else { return nil }
    guard cap > 0 else { throw settings.misfit(key, "a number over 0, or null") }
    return cap
  }

  /// The scale of scores, which llama.cpp's graphs of Gemma take from the sizes.
  ///
  /// - Parameter layerCount: of the model whose scale is by the model's width shared among heads.
  /// - Returns: what makes the setting.
  static func scaleOfGemma(
    sharedBy layerCount: Int
  ) -> @Sendable (GGUFKeyReader) -> [JSONValue.Member] {
    { file in
      guard let width = file.number("embedding_length"),
        let heads = file.number("attention.head_count"),
        heads > 0
      else { return [] }
      let own = file.number("attention.key_length") ?? width / heads
      let isShared = file.number("block_count") == layerCount
      return [.init("query_pre_attn_scalar", .integer(isShared ? width / heads : own))]
    }
  }
}

extension GGUFSetting {
  /// The keys of both Gemmas.
  static let ofGemma =
    ofLlamaWithoutHeads.filter { $0.key != "rope.dimension_count" } + [
      GGUFSetting("attention.key_length", "head_dim", .ownHeadWidth),
      GGUFSetting("attention.value_length", nil, .ownHeadWidth),
      GGUFSetting("attention.sliding_window", "sliding_window", .windowOrZero),
    ]
}
