import FileContainers
import TensorModel

extension Architecture {
  /// GPT-Neo: learned positions, unscaled attention, local windows in every other layer.
  public static let gptNeo = Architecture(
    name: "gpt_neo",
    modelClass: "GPTNeoForCausalLM",
    rows: [
      .weight("transformer.wte.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("transformer.wpe.weight", [.positions, .model], .positionEmbedding),
      .weight("transformer.h.{i}.ln_1.weight", [.model], .normScale(.attention)),
      .weight("transformer.h.{i}.ln_1.bias", [.model], .normOffset(.attention)),
      .weight(
        "transformer.h.{i}.attn.attention.k_proj.weight", [.model, .model], .weight(.key)),
      .weight(
        "transformer.h.{i}.attn.attention.v_proj.weight", [.model, .model], .weight(.value)),
      .weight(
        "transformer.h.{i}.attn.attention.q_proj.weight", [.model, .model], .weight(.query)),
      .weight(
        "transformer.h.{i}.attn.attention.out_proj.weight", [.model, .model], .weight(.output)),
      .weight("transformer.h.{i}.attn.attention.out_proj.bias", [.model], .bias(.output)),
      .weight("transformer.h.{i}.ln_2.weight", [.model], .normScale(.feedForward)),
      .weight("transformer.h.{i}.ln_2.bias", [.model], .normOffset(.feedForward)),
      .weight("transformer.h.{i}.mlp.c_fc.weight", [.inner, .model], .weight(.up)),
      .weight("transformer.h.{i}.mlp.c_fc.bias", [.inner], .bias(.up)),
      .weight("transformer.h.{i}.mlp.c_proj.weight", [.model, .inner], .weight(.down)),
      .weight("transformer.h.{i}.mlp.c_proj.bias", [.model], .bias(.down)),
      .weight("transformer.ln_f.weight", [.model], .normScale(.final)),
      .weight("transformer.ln_f.bias", [.model], .normOffset(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
    ],
    settings: settings, sizes: sizes, decoder: decoder, meshTable: { nil }, ggufTable: { nil },
    missingFromGGUF:
      "GPT-Neo's attention is not scaled, and every other layer sees only the last few tokens",
    tensorFlowTable: { .gptNeo })

  private static let settings = ClassSettings(
    [
      "vocab_size": 50257, "max_position_embeddings": 2048, "hidden_size": 2048, "num_layers": 24,
      "attention_types": .null, "attention_layers": .null, "num_heads": 16,
      "intermediate_size": .null,
      "window_size": 256, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
      "tie_word_embeddings": true,
    ],
    optional: ["intermediate_size"],
    aliases: ["num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"],
    silent: ["is_causal"])

  @Sendable private static func sizes(
    _ settings: inout SettingsReader
  ) throws(CheckpointError) -> Dimensions {
    let model = try settings.count("hidden_size", below: Dimensions.widthLimit)
    return Dimensions(
      layers: try settings.count("num_layers", below: Dimensions.layerLimit), model: model,
      inner: try settings.optionalCount("intermediate_size") ?? 4 * model,
      vocabulary: try settings.count("vocab_size"),
      positions: try settings.count("max_position_embeddings"),
      conditions: try settings.untiedHead())
  }

  @Sendable private static func decoder(
    _ settings: inout SettingsReader, _ dimensions: Dimensions
  ) throws(CheckpointError) -> DecoderConfiguration {
    let heads = try settings.count("num_heads", below: Dimensions.headLimit)
    var decoder = DecoderConfiguration(
      family: "gpt_neo", dimensions: dimensions, heads: heads,
      headWidth: dimensions.model / heads,
      norm: .layer(epsilon: try settings.epsilon("layer_norm_epsilon")), residual: .sequential,
      activation: try .init(&settings, "activation_function"),
      positionLimit: dimensions.positions)
    decoder.attentionScales = decoder.attentionScales.map { _ in 1 }
    let window = try settings.count("window_size")
    let kinds = try kinds(&settings, layers: dimensions.layers)
    guard kinds.count == dimensions.layers else {
      throw settings.unsupported(
        "attention_types", expected: "'global' or 'local' for each of \(dimensions.layers) layers")
    }
    decoder.windows = kinds.map { $0 == "local" ? window : nil }
    return decoder
  }

  /// `[[["global", "local"], 12]]` written out, as `attention_layers` may have it already; without either, the class's 24 layers.
  private static func kinds(
    _ settings: inout SettingsReader, layers: Int
  ) throws(CheckpointError) -> [String] {
    let types = try settings.value("attention_types")
    if let written = try settings.value("attention_layers")?.elements?.map({ $0.text ?? "" }) {
      return written.allSatisfy({ ["global", "local"].contains($0) }) ? written : []
    }
    guard let types else {
      return (0..<standardLayers).map { $0 % 2 == 0 ? "global" : "local" }
    }
    var kinds: [String] = []
    for group in types.elements ?? [] {
      guard let parts = group.elements, parts.count == 2, let names = parts[0].elements,
        let count = parts[1].integer, count >= 0, count <= layers, !names.isEmpty,
        names.count * count <= layers - kinds.count,
        names.allSatisfy({ ["global", "local"].contains($0.text) })
      else { return [] }
      for _ in 0..<count { kinds += names.compactMap(\.text) }
    }
    return kinds
  }

  /// What `attention_types` is for where it isn't there.
  private static let standardLayers = 24
}
