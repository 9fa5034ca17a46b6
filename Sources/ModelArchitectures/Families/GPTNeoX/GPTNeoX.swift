import FileContainers
import TensorModel

extension Architecture {
  /// GPT-NeoX and Pythia: fused queries, keys and values, head by head; partial rotary positions; two norms, used in parallel or in sequence.
  public static let gptNeoX = Architecture(
    name: "gpt_neox",
    modelClass: "GPTNeoXForCausalLM",
    rows: [
      .weight("gpt_neox.embed_in.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("gpt_neox.layers.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
      .weight("gpt_neox.layers.{i}.input_layernorm.bias", [.model], .normOffset(.attention)),
      .weight(
        "gpt_neox.layers.{i}.post_attention_layernorm.weight", [.model],
        .normScale(.feedForward)),
      .weight(
        "gpt_neox.layers.{i}.post_attention_layernorm.bias", [.model], .normOffset(.feedForward)),
      .weight(
        "gpt_neox.layers.{i}.attention.query_key_value.weight", [.queriesKeysValues, .model],
        .weight(.queryKeyValue)),
      .weight(
        "gpt_neox.layers.{i}.attention.query_key_value.bias", [.queriesKeysValues],
        .bias(.queryKeyValue), if: .attentionBias),
      .weight(
        "gpt_neox.layers.{i}.attention.dense.weight", [.model, .model], .weight(.output)),
      .weight(
        "gpt_neox.layers.{i}.attention.dense.bias", [.model], .bias(.output), if: .attentionBias),
      .weight("gpt_neox.layers.{i}.mlp.dense_h_to_4h.weight", [.inner, .model], .weight(.up)),
      .weight("gpt_neox.layers.{i}.mlp.dense_h_to_4h.bias", [.inner], .bias(.up)),
      .weight("gpt_neox.layers.{i}.mlp.dense_4h_to_h.weight", [.model, .inner], .weight(.down)),
      .weight("gpt_neox.layers.{i}.mlp.dense_4h_to_h.bias", [.model], .bias(.down)),
      .weight("gpt_neox.final_layer_norm.weight", [.model], .normScale(.final)),
      .weight("gpt_neox.final_layer_norm.bias", [.model], .normOffset(.final)),
      .weight(
        "embed_out.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead,
        aliases: ["lm_head.weight"]),
    ],
    settings: settings, sizes: sizes, decoder: decoder, meshTable: { nil },
    ggufTable: {
      GGUFTable(
        "gptneox",
        keys: [
          GGUFSetting("context_length", "max_position_embeddings", .positions),
          GGUFSetting("embedding_length", "hidden_size", .model),
          GGUFSetting("block_count", "num_hidden_layers", .layers),
          GGUFSetting("feed_forward_length", "intermediate_size", .inner),
          GGUFSetting("attention.head_count", "num_attention_heads", .heads),
          GGUFSetting("attention.head_count_kv", nil, .keyHeads),
          GGUFSetting("vocab_size", nil, .vocabulary),
          GGUFSetting("attention.layer_norm_epsilon", "layer_norm_eps", .epsilon),
          GGUFSetting("rope.dimension_count", "rotary_pct", .rotaryFraction),
          GGUFSetting("rope.freq_base", "rotary_emb_base", .rotaryBase),
          GGUFSetting("use_parallel_residual", "use_parallel_residual", .parallelResidual),
        ],
        constants: [("hidden_act", "gelu")], rowOrders: [.queryKeyValue: .consecutive],
        activations: [.gelu, .geluTanh], repeatsTiedHead: true, requirements: [.attentionBias],
        composesTexts: true)
    })

  private static let rotary = RotarySpelling(
    base: "rotary_emb_base", fraction: "rotary_pct", standardFraction: 0.25, roundsUpPairs: true)

  private static let settings = ClassSettings(
    [
      "vocab_size": 50432, "hidden_size": 6144, "num_hidden_layers": 44, "num_attention_heads": 64,
      "intermediate_size": 24576, "hidden_act": "gelu", "max_position_embeddings": 2048,
      "layer_norm_eps": 1e-5, "use_parallel_residual": true, "attention_bias": true,
      // The class has none; its rotary positions look for one.
      "head_dim": .null, "tie_word_embeddings": false,
    ].merging(rotary.defaults) { own, _ in own })

  @Sendable private static func sizes(
    _ settings: inout SettingsReader
  ) throws(CheckpointError) -> Dimensions {
    var conditions = try settings.untiedHead()
    if try settings.flag("attention_bias") { conditions.insert(.attentionBias) }
    return Dimensions(
      layers: try settings.count("num_hidden_layers", below: Dimensions.layerLimit),
      model: try settings.count("hidden_size", below: Dimensions.widthLimit),
      inner: try settings.count("intermediate_size"),
      vocabulary: try settings.count("vocab_size"), conditions: conditions)
  }

  @Sendable private static func decoder(
    _ settings: inout SettingsReader, _ dimensions: Dimensions
  ) throws(CheckpointError) -> DecoderConfiguration {
    let heads = try settings.count("num_attention_heads", below: Dimensions.headLimit)
    let width = dimensions.model / heads
    let limit = try settings.count("max_position_embeddings")
    if let other = try settings.optionalCount("head_dim"), other != width {
      throw settings.unsupported(
        "head_dim", expected: "\(width), the model's width shared by heads")
    }
    var decoder = DecoderConfiguration(
      family: "gpt_neox", dimensions: dimensions, heads: heads, headWidth: width,
      norm: .layer(epsilon: try settings.epsilon("layer_norm_eps")),
      residual: try settings.flag("use_parallel_residual") ? .parallelWithTwoNorms : .sequential,
      activation: try .init(&settings, "hidden_act"), positionLimit: limit)
    decoder.fusedOrder = .byHead
    decoder.rotary = try .init(
      &settings, rotary, headWidth: width, layout: .halves, positionLimit: limit)
    return decoder
  }
}
