import FileContainers
import TensorModel

extension Architecture {
  /// StarCoder2: layer norms, rotary positions in halves, heads that share keys and values, a plain feed-forward layer, biases.
  public static let starCoder2 = Architecture(
    name: "starcoder2", modelClass: "Starcoder2ForCausalLM",
    rows: [.weight("model.embed_tokens.weight", [.vocabulary, .model], .tokenEmbedding)]
      + projection("self_attn.q_proj", [.queries, .model], .query, .attentionBias)
      + projection("self_attn.k_proj", [.keys, .model], .key, .attentionBias)
      + projection("self_attn.v_proj", [.keys, .model], .value, .attentionBias)
      + projection("self_attn.o_proj", [.model, .queries], .output, .attentionBias)
      + projection("mlp.c_fc", [.inner, .model], .up, .feedForwardBias)
      + projection("mlp.c_proj", [.model, .inner], .down, .feedForwardBias)
      + [
        .weight("model.layers.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
        .weight("model.layers.{i}.input_layernorm.bias", [.model], .normOffset(.attention)),
        .weight(
          "model.layers.{i}.post_attention_layernorm.weight", [.model], .normScale(.feedForward)),
        .weight(
          "model.layers.{i}.post_attention_layernorm.bias", [.model], .normOffset(.feedForward)),
        .weight("model.norm.weight", [.model], .normScale(.final)),
        .weight("model.norm.bias", [.model], .normOffset(.final)),
        .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
      ],
    settings: ClassSettings(
      [
        "vocab_size": 49152, "hidden_size": 3072, "intermediate_size": 12288,
        "num_hidden_layers": 30, "num_attention_heads": 24, "num_key_value_heads": 2,
        "head_dim": .null, "hidden_act": "gelu_pytorch_tanh", "max_position_embeddings": 4096,
        "norm_epsilon": 1e-5, "sliding_window": .null, "use_bias": true,
        "tie_word_embeddings": true,
      ].merging(RotarySpelling().defaults) { own, _ in own },
      optional: ["num_key_value_heads"]),
    sizes: { (settings: inout SettingsReader) throws(CheckpointError) -> Dimensions in
      var dimensions = try sizesOfLlama(&settings)
      if try settings.flag("use_bias") {
        dimensions.conditions.formUnion([.attentionBias, .feedForwardBias])
      }
      return dimensions
    },
    decoder: {
      (settings: inout SettingsReader, dimensions: Dimensions) throws(CheckpointError)
        -> DecoderConfiguration in
      var decoder = try decoderOfLlama(
        &settings, dimensions, family: "starcoder2",
        norm: .layer(epsilon: try settings.epsilon("norm_epsilon")), RotarySpelling())
      try settings.windowEverywhere(&decoder)
      return decoder
    },
    meshTable: { nil },
    ggufTable: {
      GGUFTable(
        "starcoder2",
        keys: GGUFSetting.ofLlama.map {
          $0.meaning == .epsilon
            ? GGUFSetting("attention.layer_norm_epsilon", "norm_epsilon", .epsilon) : $0
        },
        constants: [("hidden_act", "gelu_pytorch_tanh"), ("use_bias", true)],
        activations: [.geluTanh, .gelu], rotatesParts: false,
        requirements: [.attentionBias, .feedForwardBias])
    })

  private static func projection(
    _ name: String, _ shape: [Dimension], _ projection: DecoderRole.Projection,
    _ bias: Condition
  ) -> [Row] {
    [
      .weight("model.layers.{i}.\(name).weight", shape, .weight(projection)),
      .weight(
        "model.layers.{i}.\(name).bias", [shape[0]], .bias(projection), if: bias),
    ]
  }
}
