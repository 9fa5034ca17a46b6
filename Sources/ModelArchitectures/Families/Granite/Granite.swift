import FileContainers
import TensorModel

extension Architecture {
  /// Granite: Llama with factors of embeddings, attention, residuals and logits.
  public static let granite = llamaLike(
    name: "granite", modelClass: "GraniteForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": .null,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6, "attention_bias": false, "mlp_bias": false,
        "embedding_multiplier": 1.0, "attention_multiplier": 1.0, "residual_multiplier": 1.0,
        "logits_scaling": 1.0, "tie_word_embeddings": false,
      ].merging(RotarySpelling().defaults) { own, _ in own }),
    biases: .asConfigured,
    ggufTable: {
      GGUFTable(
        "granite",
        keys: GGUFSetting.ofLlama + [
          GGUFSetting("attention.scale", "attention_multiplier", .attentionScale),
          GGUFSetting("embedding_scale", "embedding_multiplier", .embeddingFactor),
          GGUFSetting("residual_scale", "residual_multiplier", .residualFactor),
          GGUFSetting("logit_scale", "logits_scaling", .logitDivisor),
        ],
        constants: [("hidden_act", "silu")],
        flags: [("attention_bias", .bias(.query)), ("mlp_bias", .bias(.up))],
        rowOrders: [.query: .pairs, .key: .pairs], activations: [.silu], rotatesParts: false,
        foreignKeys: ["expert_count"], largeModels: .none)
    }
  ) {
    (settings: inout SettingsReader, decoder: inout DecoderConfiguration) throws(CheckpointError) in
    decoder.embeddingFactor = try settings.number("embedding_multiplier")
    decoder.residualFactor = try settings.number("residual_multiplier")
    decoder.logitDivisor = try settings.divisor("logits_scaling")
    let scale = try settings.number("attention_multiplier")
    decoder.attentionScales = decoder.attentionScales.map { _ in scale }
  }
}
