import FileContainers
import TensorModel

extension Architecture {
  /// GPT-J-6B and its forks (GPT-JT): parallel attention and feed-forward, interleaved rotary positions, an untied head with a bias.
  public static let gptj = Architecture(
    name: "gptj",
    modelClass: "GPTJForCausalLM",
    rows: [
      .weight("transformer.wte.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("transformer.h.{i}.ln_1.weight", [.model], .normScale(.attention)),
      .weight("transformer.h.{i}.ln_1.bias", [.model], .normOffset(.attention)),
      .weight("transformer.h.{i}.attn.k_proj.weight", [.model, .model], .weight(.key)),
      .weight("transformer.h.{i}.attn.v_proj.weight", [.model, .model], .weight(.value)),
      .weight("transformer.h.{i}.attn.q_proj.weight", [.model, .model], .weight(.query)),
      .weight("transformer.h.{i}.attn.out_proj.weight", [.model, .model], .weight(.output)),
      .weight("transformer.h.{i}.mlp.fc_in.weight", [.inner, .model], .weight(.up)),
      .weight("transformer.h.{i}.mlp.fc_in.bias", [.inner], .bias(.up)),
      .weight("transformer.h.{i}.mlp.fc_out.weight", [.model, .inner], .weight(.down)),
      .weight("transformer.h.{i}.mlp.fc_out.bias", [.model], .bias(.down)),
      .weight("transformer.ln_f.weight", [.model], .normScale(.final)),
      .weight("transformer.ln_f.bias", [.model], .normOffset(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
      .weight("lm_head.bias", [.vocabulary], .bias(.head)),
    ],
    settings: settings, sizes: sizes, decoder: decoder, meshTable: { gptjMesh },
    // Phi-2 computes the same, but pairs the halves of the rotated dimensions and has biases of the attention.
    ggufTable: {
      GGUFTable(
        "phi2", isGuest: true,
        keys: GGUFSetting.ofGPT + [
          GGUFSetting("rope.dimension_count", "rotary_dim", .rotaryDimensions),
          GGUFSetting("rope.freq_base", nil, .rotaryBase),
        ], constants: [("activation_function", "gelu_new")],
        rowOrders: [.query: .halves, .key: .halves], zeroBiases: [.query, .key, .value, .output],
        activations: [.geluTanh, .gelu], repeatsTiedHead: true)
    })

  private static let settings = ClassSettings(
    [
      "vocab_size": 50400, "n_positions": 2048, "n_embd": 4096, "n_layer": 28, "n_head": 16,
      "n_inner": .null, "rotary_dim": 64, "activation_function": "gelu_new",
      "layer_norm_epsilon": 1e-5, "tie_word_embeddings": false,
    ],
    optional: ["n_inner"], aliases: ClassSettings.namesOfGPT,
    // Published with the weights of GPT-J, and read by no class: its code has always rotated and scaled.
    silent: ["rotary", "scale_attn_weights"])

  @Sendable private static func sizes(
    _ settings: inout SettingsReader
  ) throws(CheckpointError) -> Dimensions { try settings.sizesOfGPT() }

  @Sendable private static func decoder(
    _ settings: inout SettingsReader, _ dimensions: Dimensions
  ) throws(CheckpointError) -> DecoderConfiguration {
    let heads = try settings.count("n_head", below: Dimensions.headLimit)
    let width = dimensions.model / heads
    var decoder = DecoderConfiguration(
      family: "gptj", dimensions: dimensions, heads: heads, headWidth: width,
      norm: .layer(epsilon: try settings.epsilon("layer_norm_epsilon")), residual: .parallel,
      activation: try .init(&settings, "activation_function"),
      positionLimit: try settings.count("n_positions"))
    let rotated = try settings.count("rotary_dim")
    guard rotated <= width, rotated % 2 == 0 else {
      throw settings.misfit("rotary_dim", "an even number of at most \(width), a head's width")
    }
    let frequencies = DecoderConfiguration.Rotary.frequencies(rotated, 10000)
    decoder.rotary = DecoderConfiguration.Rotary(
      dimensions: rotated, layout: .interleaved, base: 10000, frequencies: frequencies,
      unscaledFrequencies: frequencies, factor: 1)
    return decoder
  }
}
