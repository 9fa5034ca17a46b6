import FileContainers
import TensorModel

extension Architecture {
  private static let rotaryOfGptOss = RotarySpelling(
    standardBase: 150_000,
    standardParameters: .object([
      .init("rope_type", "yarn"), .init("factor", 32.0), .init("beta_fast", 32.0),
      .init("beta_slow", 1.0), .init("truncate", false),
      .init("original_max_position_embeddings", 4096),
    ]))

  /// gpt-oss: experts with biases and clamped gates, attention sinks, windows in every other layer, yarn.
  public static let gptOss = llamaLike(
    name: "gpt_oss", modelClass: "GptOssForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 201088, "hidden_size": 2880, "intermediate_size": 2880,
        "num_hidden_layers": 36, "num_attention_heads": 64, "num_key_value_heads": 8,
        "head_dim": 64, "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5, "attention_bias": true, "sliding_window": 128,
        "layer_types": .null, "num_local_experts": 128, "num_experts_per_tok": 4,
        "swiglu_alpha": 1.702, "swiglu_limit": 7.0, "tie_word_embeddings": false,
      ].merging(rotaryOfGptOss.defaults) { own, _ in own },
      optional: ["num_key_value_heads", "head_dim", "sliding_window"],
      aliases: ["num_experts": "num_local_experts"],
      silent: silentOfMixtures.union([
        "hidden_act", "experts_per_token", "initial_context_length",
      ])),
    biases: .ofAttentionAsConfigured, rotary: rotaryOfGptOss, activationKey: nil,
    feedForward: [
      .weight("model.layers.{i}.self_attn.sinks", [.heads], .sinks),
      .weight("model.layers.{i}.mlp.router.weight", [.experts, .model], .weight(.router)),
      .weight("model.layers.{i}.mlp.router.bias", [.experts], .bias(.router)),
      .weight(
        "model.layers.{i}.mlp.experts.gate_up_proj", [.experts, .model, .gatesAndExpertInner],
        .weight(.expertGateUpInTurn, .inOut), in: .stacked),
      .weight(
        "model.layers.{i}.mlp.experts.gate_up_proj_blocks",
        [.experts, .gatesAndExpertInner, .modelBlocks, .blockBytes],
        .mxfp4Blocks(.expertGateUpInTurn), in: .mxfp4),
      .weight(
        "model.layers.{i}.mlp.experts.gate_up_proj_scales",
        [.experts, .gatesAndExpertInner, .modelBlocks], .mxfp4Scales(.expertGateUpInTurn),
        in: .mxfp4),
      .weight(
        "model.layers.{i}.mlp.experts.gate_up_proj_bias", [.experts, .gatesAndExpertInner],
        .bias(.expertGateUpInTurn)),
      .weight(
        "model.layers.{i}.mlp.experts.down_proj", [.experts, .expertInner, .model],
        .weight(.expertDown, .inOut), in: .stacked),
      .weight(
        "model.layers.{i}.mlp.experts.down_proj_blocks",
        [.experts, .model, .expertInnerBlocks, .blockBytes], .mxfp4Blocks(.expertDown),
        in: .mxfp4),
      .weight(
        "model.layers.{i}.mlp.experts.down_proj_scales",
        [.experts, .model, .expertInnerBlocks], .mxfp4Scales(.expertDown), in: .mxfp4),
      .weight(
        "model.layers.{i}.mlp.experts.down_proj_bias", [.experts, .model], .bias(.expertDown)),
    ],
    moreSizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      dimensions.experts = try settings.expertCount("num_local_experts", dimensions)
      dimensions.expertInner = try settings.count("intermediate_size", below: Dimensions.widthLimit)
      dimensions.heads = try settings.count("num_attention_heads", below: Dimensions.headLimit)
    },
    ggufTable: {
      GGUFTable(
        "gpt-oss",
        keys: GGUFSetting.ofLlamaWithoutHeads.filter { $0.meaning != .rotaryDimensions } + [
          GGUFSetting("attention.key_length", "head_dim", .ownHeadWidth),
          GGUFSetting("attention.value_length", nil, .ownHeadWidth),
          GGUFSetting("attention.sliding_window", "sliding_window", .windowOrZero),
          GGUFSetting("expert_count", "num_local_experts", .experts),
          GGUFSetting("expert_used_count", "num_experts_per_tok", .chosenExperts),
          GGUFSetting("expert_feed_forward_length", nil, .expertInner),
        ],
        activations: [.silu], windows: .patterned(period: 2), needsWindow: true,
        normNames: (nil, [.feedForward: "post_attention_norm"]),
        expertWeighting: .softmaxOfChosen,
        clampedGate: .init(alpha: 1.702, limit: 7), repeatsTiedHead: true, rotatesParts: false,
        requirements: [.attentionBias])
    }
  ) {
    (settings: inout SettingsReader, decoder: inout DecoderConfiguration) throws(CheckpointError) in
    try settings.windows(&decoder, period: 2)
    decoder.experts = .init(
      chosenCount: try settings.chosenExperts(of: decoder.dimensions),
      weighting: .softmaxOfChosen,
      clampedGate: .init(
        alpha: try settings.number("swiglu_alpha"), limit: try settings.number("swiglu_limit")))
  }
}
