import FileContainers
import TensorModel

extension Architecture {
  /// Qwen2: Llama with biases of queries, keys and values, and windows in its later layers where they are switched on.
  public static let qwen2 = llamaLike(
    name: "qwen2", modelClass: "Qwen2ForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6, "use_sliding_window": false, "sliding_window": 4096,
        "max_window_layers": 28, "layer_types": .null, "tie_word_embeddings": false,
      ].merging(RotarySpelling().defaults) { own, _ in own },
      optional: ["num_key_value_heads", "sliding_window", "layer_types"]),
    biases: .ofQueriesKeysValues,
    ggufTable: {
      GGUFTable(
        "qwen2", keys: GGUFSetting.ofLlama, constants: [("hidden_act", "silu")],
        activations: [.silu], rotatesParts: false, foreignKeys: ["expert_count"],
        composesTexts: true, largeModels: .all)
    },
    rest: windowsOfQwen)

  /// Windows from a layer on, or in the layers that `layer_types` names.
  @Sendable static func windowsOfQwen(
    _ settings: inout SettingsReader, _ decoder: inout DecoderConfiguration
  ) throws(CheckpointError) {
    let isOn = try settings.flag("use_sliding_window")
    let window = try settings.windowOfQwen(isOn)
    let first = try settings.count("max_window_layers", atLeast: 0)
    guard let kinds = try settings.layerKinds(decoder.dimensions.layers) else {
      decoder.windows = decoder.windows.indices.map { $0 >= first ? window : nil }
      return
    }
    guard window != nil || !kinds.contains(.sliding) else {
      throw settings.unsupported(
        "layer_types", expected: "no 'sliding_attention' where 'use_sliding_window' is false")
    }
    decoder.windows = kinds.map { $0 == .sliding ? window : nil }
  }
}

extension SettingsReader {
  /// The window of Qwen's models, whose number doesn't count where it is off.
  ///
  /// - Throws: `usage` for something else than a number or nothing.
  mutating func windowOfQwen(_ isOn: Bool) throws(CheckpointError) -> Int? {
    if isOn { return try optionalCount("sliding_window") }
    passOver(["sliding_window"])
    return nil
  }
}
