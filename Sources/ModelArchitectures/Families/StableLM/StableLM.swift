import FileContainers
import TensorModel

extension Architecture {
  private static let rotaryOfStableLM = RotarySpelling(standardFraction: 0.25)

  /// StableLM: layer norms, rotary positions of a part of each head, norms of each head's own, parallel or not.
  public static let stableLM = Architecture(
    name: "stablelm", modelClass: "StableLmForCausalLM",
    rows: [
      .weight("model.embed_tokens.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("model.layers.{i}.self_attn.q_proj.weight", [.queries, .model], .weight(.query)),
      .weight(
        "model.layers.{i}.self_attn.q_proj.bias", [.queries], .bias(.query), if: .attentionBias),
      .weight("model.layers.{i}.self_attn.k_proj.weight", [.keys, .model], .weight(.key)),
      .weight(
        "model.layers.{i}.self_attn.k_proj.bias", [.keys], .bias(.key), if: .attentionBias),
      .weight("model.layers.{i}.self_attn.v_proj.weight", [.keys, .model], .weight(.value)),
      .weight(
        "model.layers.{i}.self_attn.v_proj.bias", [.keys], .bias(.value), if: .attentionBias),
      .weight("model.layers.{i}.self_attn.o_proj.weight", [.model, .queries], .weight(.output)),
      .weight(
        "model.layers.{i}.self_attn.q_layernorm.norms.{n}.weight", [.headWidth],
        .normScale(.query), if: .headNorms, each: .heads),
      .weight(
        "model.layers.{i}.self_attn.k_layernorm.norms.{n}.weight", [.headWidth],
        .normScale(.key), if: .headNorms, each: .keyHeads),
    ] + gatedRows("model.layers.{i}.mlp") + [
      .weight("model.layers.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
      .weight("model.layers.{i}.input_layernorm.bias", [.model], .normOffset(.attention)),
      .weight(
        "model.layers.{i}.post_attention_layernorm.weight", [.model], .normScale(.feedForward),
        if: .secondNorm),
      .weight(
        "model.layers.{i}.post_attention_layernorm.bias", [.model], .normOffset(.feedForward),
        if: .secondNorm),
      .weight("model.norm.weight", [.model], .normScale(.final)),
      .weight("model.norm.bias", [.model], .normOffset(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
    ],
    settings: ClassSettings(
      [
        "vocab_size": 50304, "hidden_size": 2560, "intermediate_size": 6912,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "hidden_act": "silu", "max_position_embeddings": 4096, "layer_norm_eps": 1e-5,
        "use_qkv_bias": false, "qk_layernorm": false, "use_parallel_residual": false,
        "tie_word_embeddings": false,
      ].merging(rotaryOfStableLM.defaults) { own, _ in own }),
    sizes: { (settings: inout SettingsReader) throws(CheckpointError) -> Dimensions in
      var dimensions = try sizesOfLlama(&settings)
      if try settings.flag("use_qkv_bias") { dimensions.conditions.insert(.attentionBias) }
      if try settings.flag("qk_layernorm") { dimensions.conditions.insert(.headNorms) }
      if try !settings.flag("use_parallel_residual") { dimensions.conditions.insert(.secondNorm) }
      dimensions.heads = try settings.count("num_attention_heads", below: Dimensions.headLimit)
      dimensions.headWidth = dimensions.queries / dimensions.heads
      dimensions.keyHeads = dimensions.keys / max(1, dimensions.headWidth)
      return dimensions
    },
    decoder: {
      (settings: inout SettingsReader, dimensions: Dimensions) throws(CheckpointError)
        -> DecoderConfiguration in
      var decoder = try decoderOfLlama(
        &settings, dimensions, family: "stablelm",
        norm: .layer(epsilon: try settings.epsilon("layer_norm_eps")), rotaryOfStableLM)
      if !dimensions.conditions.contains(.secondNorm) { decoder.residual = .parallel }
      return decoder
    },
    meshTable: { nil },
    ggufTable: {
      GGUFTable(
        "stablelm",
        keys: GGUFSetting.sizesOfLlama + [
          GGUFSetting("attention.layer_norm_epsilon", "layer_norm_eps", .epsilon),
          GGUFSetting("use_parallel_residual", nil, .parallelResidual),
          GGUFSetting("rope.dimension_count", "partial_rotary_factor", .rotaryFraction),
          GGUFSetting("rope.freq_base", "rope_theta", .rotaryBase),
        ],
        constants: [("hidden_act", "silu")],
        flags: [
          ("use_qkv_bias", .bias(.query)), ("qk_layernorm", .normScale(.query)),
        ], activations: [.silu],
        completion: { file in
          [.init("use_parallel_residual", .bool(!file.hasTensor("ffn_norm.weight")))]
        }, repeatsTiedHead: true)
    })
}
