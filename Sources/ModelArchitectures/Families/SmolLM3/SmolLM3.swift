import FileContainers
import TensorModel

extension Architecture {
  private static let rotaryOfSmolLM3 = RotarySpelling(standardBase: 2_000_000)

  /// SmolLM3: Llama in which some layers have no positions.
  public static let smolLM3 = llamaLike(
    name: "smollm3", modelClass: "SmolLM3ForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 11008,
        "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 4,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6, "attention_bias": false, "mlp_bias": false,
        "use_sliding_window": false, "sliding_window": .null, "no_rope_layers": .null,
        "no_rope_layer_interval": 4, "layer_types": .null, "tie_word_embeddings": true,
      ].merging(rotaryOfSmolLM3.defaults) { own, _ in own },
      optional: ["num_key_value_heads"]),
    biases: .asConfigured, rotary: rotaryOfSmolLM3,
    ggufTable: {
      GGUFTable(
        "smollm3", keys: GGUFSetting.ofLlama, constants: [("hidden_act", "silu")],
        rowOrders: [.query: .pairs, .key: .pairs], activations: [.silu], unrotatedPeriod: 4,
        rotatesParts: false, exclusions: [.attentionBias, .feedForwardBias])
    }
  ) {
    (settings: inout SettingsReader, decoder: inout DecoderConfiguration) throws(CheckpointError) in
    let count = decoder.dimensions.layers
    let period = try settings.count("no_rope_layer_interval")
    decoder.rotatedLayers = (1...count).map { $0 % period != 0 }
    if let value = try settings.value("no_rope_layers") {
      // 1 says that the layer is rotated.
      let numbers = value.elements?.compactMap(\.integer) ?? []
      guard numbers.count == count, numbers.allSatisfy((0...1).contains) else {
        throw settings.unsupported("no_rope_layers", expected: "0 or 1 for each layer")
      }
      decoder.rotatedLayers = numbers.map { $0 == 1 }
    }
    let isOn = try settings.flag("use_sliding_window")
    let window = try settings.optionalCount("sliding_window")
    let kinds =
      try settings.layerKinds(count)
      ?? decoder.rotatedLayers.map { isOn && window != nil && !$0 ? .sliding : .full }
    guard window != nil || !kinds.contains(.sliding) else {
      throw settings.unsupported(
        "layer_types", expected: "no 'sliding_attention' without 'sliding_window'")
    }
    decoder.windows = kinds.map { $0 == .sliding ? window : nil }
  }
}
