import FileContainers
import TensorModel

extension Architecture {
  /// GPT-2: learned positions, fused queries, keys and values, weights stored `[in, out]`, a head that shares the embedding.
  public static let gpt2 = Architecture(
    name: "gpt2",
    modelClass: "GPT2LMHeadModel",
    rows: [
      .weight("transformer.wte.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("transformer.wpe.weight", [.positions, .model], .positionEmbedding),
      .weight("transformer.h.{i}.ln_1.weight", [.model], .normScale(.attention)),
      .weight("transformer.h.{i}.ln_1.bias", [.model], .normOffset(.attention)),
      .weight(
        "transformer.h.{i}.attn.c_attn.weight", [.model, .queriesKeysValues],
        .weight(.queryKeyValue, .inOut)),
      .weight(
        "transformer.h.{i}.attn.c_attn.bias", [.queriesKeysValues], .bias(.queryKeyValue)),
      .weight(
        "transformer.h.{i}.attn.c_proj.weight", [.model, .model], .weight(.output, .inOut)),
      .weight("transformer.h.{i}.attn.c_proj.bias", [.model], .bias(.output)),
      .weight("transformer.h.{i}.ln_2.weight", [.model], .normScale(.feedForward)),
      .weight("transformer.h.{i}.ln_2.bias", [.model], .normOffset(.feedForward)),
      .weight("transformer.h.{i}.mlp.c_fc.weight", [.model, .inner], .weight(.up, .inOut)),
      .weight("transformer.h.{i}.mlp.c_fc.bias", [.inner], .bias(.up)),
      .weight("transformer.h.{i}.mlp.c_proj.weight", [.inner, .model], .weight(.down, .inOut)),
      .weight("transformer.h.{i}.mlp.c_proj.bias", [.model], .bias(.down)),
      .weight("transformer.ln_f.weight", [.model], .normScale(.final)),
      .weight("transformer.ln_f.bias", [.model], .normOffset(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
    ],
    settings: settings, sizes: sizes, decoder: decoder, meshTable: { nil },
    ggufTable: {
      GGUFTable(
        "gpt2", keys: GGUFSetting.ofGPT, constants: [("activation_function", "gelu_new")],
        activations: [.geluTanh, .gelu])
    }, tensorFlowTable: { .gpt2 })

  private static let settings = ClassSettings(
    [
      "vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12,
      "n_inner": .null, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
      "scale_attn_weights": true, "scale_attn_by_inverse_layer_idx": false,
      "add_cross_attention": false, "tie_word_embeddings": true,
    ],
    optional: ["n_inner"], aliases: ClassSettings.namesOfGPT)

  @Sendable private static func sizes(
    _ settings: inout SettingsReader
  ) throws(CheckpointError) -> Dimensions {
    var dimensions = try settings.sizesOfGPT()
    dimensions.positions = try settings.count("n_positions")
    return dimensions
  }

  @Sendable private static func decoder(
    _ settings: inout SettingsReader, _ dimensions: Dimensions
  ) throws(CheckpointError) -> DecoderConfiguration {
    let heads = try settings.count("n_head", below: Dimensions.headLimit)
    var decoder = DecoderConfiguration(
      family: "gpt2", dimensions: dimensions, heads: heads, headWidth: dimensions.model / heads,
      norm: .layer(epsilon: try settings.epsilon("layer_norm_epsilon")), residual: .sequential,
      activation: try .init(&settings, "activation_function"),
      positionLimit: dimensions.positions)
    decoder.fusedOrder = .consecutive
    if try !settings.flag("scale_attn_weights") {
      decoder.attentionScales = decoder.attentionScales.map { _ in 1 }
    }
    if try settings.flag("scale_attn_by_inverse_layer_idx") {
      decoder.attentionScales = decoder.attentionScales.enumerated().map { $1 / Double($0 + 1) }
    }
    return decoder
  }
}

extension ClassSettings {
  /// What GPT-2's and GPT-J's classes are also asked by.
  static let namesOfGPT = [
    "hidden_size": "n_embd", "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head", "num_hidden_layers": "n_layer",
  ]
}

extension SettingsReader {
  /// The sizes that GPT-2 and GPT-J have under the same names.
  mutating func sizesOfGPT() throws(CheckpointError) -> Architecture.Dimensions {
    let model = try count("n_embd", below: Architecture.Dimensions.widthLimit)
    return Architecture.Dimensions(
      layers: try count("n_layer", below: Architecture.Dimensions.layerLimit), model: model,
      inner: try optionalCount("n_inner") ?? 4 * model, vocabulary: try count("vocab_size"),
      conditions: try untiedHead())
  }
}

extension GGUFSetting {
  /// The keys of models whose settings have GPT-2's names.
  static let ofGPT = [
    GGUFSetting("context_length", "n_positions", .positions),
    GGUFSetting("embedding_length", "n_embd", .model),
    GGUFSetting("block_count", "n_layer", .layers),
    GGUFSetting("feed_forward_length", "n_inner", .inner),
    GGUFSetting("attention.head_count", "n_head", .heads),
    GGUFSetting("attention.head_count_kv", nil, .keyHeads),
    GGUFSetting("vocab_size", nil, .vocabulary),
    GGUFSetting("attention.layer_norm_epsilon", "layer_norm_epsilon", .epsilon),
  ]
}
