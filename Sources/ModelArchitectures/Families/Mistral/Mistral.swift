import FileContainers
import TensorModel

extension Architecture {
  /// Mistral: Llama with a window in every layer, unless the configuration has none.
  public static let mistral = llamaLike(
    name: "mistral", modelClass: "MistralForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-6, "sliding_window": 4096, "tie_word_embeddings": false,
        "layer_types": .null,
      ].merging(RotarySpelling().defaults) { own, _ in own },
      optional: ["num_key_value_heads", "sliding_window"]),
    biases: .none,
    ggufTable: {
      GGUFTable(
        "llama",
        keys: GGUFSetting.ofLlama + [
          GGUFSetting("attention.sliding_window", "sliding_window", .window)
        ], constants: [("hidden_act", "silu")], rowOrders: [.query: .pairs, .key: .pairs],
        activations: [.silu], windows: .ignored, rotatesParts: false, hasRotaryDivisors: true,
        foreignKeys: ["expert_count"], largeModels: .sharingKeys)
    }
  ) {
    (settings: inout SettingsReader, decoder: inout DecoderConfiguration) throws(CheckpointError) in
    try settings.windowEverywhere(&decoder)
    // The class has no such field, but the cache of its keys looks for it.
    let kind = decoder.windows.contains { $0 != nil } ? LayerKind.sliding : .full
    if let kinds = try settings.value("layer_types"),
      kinds.elements?.contains(where: { $0.text != kind.rawValue }) != false
    {
      throw settings.unsupported("layer_types", expected: "\(kind.rawValue) for every layer")
    }
  }
}
