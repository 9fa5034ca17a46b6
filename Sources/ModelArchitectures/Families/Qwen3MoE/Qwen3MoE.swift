import FileContainers
import TensorModel

extension Architecture {
  /// Qwen3's mixtures: Qwen3 with experts in all layers, or in some.
  public static let qwen3MoE = llamaLike(
    name: "qwen3_moe", modelClass: "Qwen3MoeForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144,
        "num_hidden_layers": 24, "num_attention_heads": 32, "num_key_value_heads": 4,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6, "attention_bias": false, "use_sliding_window": false,
        "sliding_window": 4096, "decoder_sparse_step": 1, "moe_intermediate_size": 768,
        "num_experts_per_tok": 8, "num_experts": 128, "norm_topk_prob": false,
        "mlp_only_layers": .null, "tie_word_embeddings": false,
      ].merging(RotarySpelling().defaults) { own, _ in own },
      optional: ["sliding_window"], aliases: ["num_local_experts": "num_experts"],
      silent: silentOfMixtures),
    biases: .ofAttentionAsConfigured, norms: .beforeAndOfHeads,
    feedForward: gatedRows("model.layers.{i}.mlp", if: .denseLayer) + [
      .weight(
        "model.layers.{i}.mlp.gate.weight", [.experts, .model], .weight(.router),
        if: .expertLayer)
    ]
      + separateExperts(
        "model.layers.{i}.mlp.experts", ["gate_proj", "up_proj", "down_proj"], if: .expertLayer)
      + stackedExperts("model.layers.{i}.mlp.experts", if: .expertLayer),
    moreSizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      try readMixtureOfQwen(&settings, &dimensions)
    },
    ggufTable: {
      GGUFTable(
        "qwen3moe",
        keys: GGUFSetting.ofLlamaWithoutHeads + [
          GGUFSetting("attention.key_length", "head_dim", .ownHeadWidth),
          GGUFSetting("attention.value_length", nil, .ownHeadWidth),
          GGUFSetting("expert_count", "num_experts", .experts),
          GGUFSetting("expert_used_count", "num_experts_per_tok", .chosenExperts),
          GGUFSetting("expert_feed_forward_length", "moe_intermediate_size", .expertInner),
        ],
        constants: [("hidden_act", "silu"), ("norm_topk_prob", true)], activations: [.silu],
        expertWeighting: .normalisedSoftmax, rotatesParts: false, exclusions: [.attentionBias],
        composesTexts: true)
    }
  ) {
    (settings: inout SettingsReader, decoder: inout DecoderConfiguration) throws(CheckpointError) in
    let window = try settings.windowOfQwen(try settings.flag("use_sliding_window"))
    decoder.windows = decoder.windows.map { _ in window }
    guard decoder.dimensions.experts > 0 else {
      settings.passOver(["num_experts_per_tok", "norm_topk_prob"])
      return
    }
    decoder.experts = .init(
      chosenCount: try settings.chosenExperts(of: decoder.dimensions),
      weighting: try settings.flag("norm_topk_prob") ? .normalisedSoftmax : .softmax)
  }

  /// Reads which layers of Qwen's mixtures have experts, and their sizes.
  static func readMixtureOfQwen(
    _ settings: inout SettingsReader, _ dimensions: inout Dimensions
  ) throws(CheckpointError) {
    dimensions.experts = try settings.expertCount("num_experts", dimensions, atLeast: 0)
    dimensions.expertInner = try settings.count(
      "moe_intermediate_size", below: Dimensions.widthLimit)
    let step = try settings.count("decoder_sparse_step")
    var dense = Set((0..<dimensions.layers).filter { ($0 + 1) % step != 0 })
    if let list = try settings.value("mlp_only_layers") {
      let layers = list.elements?.compactMap(\.integer) ?? []
      guard layers.count == list.elements?.count else {
        throw settings.misfit("mlp_only_layers", "numbers of layers")
      }
      dense.formUnion(layers.filter { (0..<dimensions.layers).contains($0) })
    }
    // Without experts all layers are dense.
    dimensions.denseLayers = dimensions.experts == 0 ? Set(0..<dimensions.layers) : dense
  }
}
