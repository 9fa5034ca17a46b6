import FileContainers
import TensorModel

extension Architecture {
  private static let rotaryOfPhi3 = RotarySpelling(standardFraction: 1)

  /// Phi-3 and Phi-4: Llama's layers with fused projections, rotary positions of a part of each head, and a window.
  public static let phi3 = Architecture(
    name: "phi3", modelClass: "Phi3ForCausalLM",
    rows: [
      .weight("model.embed_tokens.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight(
        "model.layers.{i}.self_attn.o_proj.weight", [.model, .queries], .weight(.output)),
      .weight(
        "model.layers.{i}.self_attn.qkv_proj.weight", [.queriesKeysValues, .model],
        .weight(.queryKeyValue)),
      .weight(
        "model.layers.{i}.mlp.gate_up_proj.weight", [.gatesAndInner, .model], .weight(.gateUp)),
      .weight("model.layers.{i}.mlp.down_proj.weight", [.model, .inner], .weight(.down)),
      .weight("model.layers.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
      .weight(
        "model.layers.{i}.post_attention_layernorm.weight", [.model], .normScale(.feedForward)),
      .weight("model.norm.weight", [.model], .normScale(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
    ],
    settings: ClassSettings(
      [
        "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": .null,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "sliding_window": .null,
        "tie_word_embeddings": false,
      ].merging(rotaryOfPhi3.defaults) { own, _ in own }),
    sizes: { (settings: inout SettingsReader) throws(CheckpointError) -> Dimensions in
      try sizesOfLlama(&settings)
    },
    decoder: {
      (settings: inout SettingsReader, dimensions: Dimensions) throws(CheckpointError)
        -> DecoderConfiguration in
      var decoder = try decoderOfLlama(
        &settings, dimensions, family: "phi3",
        norm: .rootMeanSquare(epsilon: try settings.epsilon("rms_norm_eps")), rotaryOfPhi3)
      decoder.fusedOrder = .consecutive
      try settings.windowEverywhere(&decoder)
      return decoder
    },
    meshTable: { nil },
    ggufTable: {
      GGUFTable(
        "phi3",
        keys: GGUFSetting.sizesOfLlama + [
          GGUFSetting("attention.layer_norm_rms_epsilon", "rms_norm_eps", .epsilon),
          GGUFSetting("attention.sliding_window", "sliding_window", .windowOrZero),
          GGUFSetting("rope.dimension_count", "partial_rotary_factor", .rotaryFraction),
          GGUFSetting("rope.freq_base", "rope_theta", .rotaryBase),
        ],
        constants: [("hidden_act", "silu")], activations: [.silu], hasLongrope: true)
    })
}
