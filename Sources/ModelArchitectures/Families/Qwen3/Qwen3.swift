import FileContainers
import TensorModel

extension Architecture {
  /// Qwen3: Llama with norms of each head's queries and keys, heads of their own width, and Qwen2's windows.
  public static let qwen3 = llamaLike(
    name: "qwen3", modelClass: "Qwen3ForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "head_dim": 128, "hidden_act": "silu", "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6, "attention_bias": false, "use_sliding_window": false,
        "sliding_window": 4096, "max_window_layers": 28, "layer_types": .null,
        "tie_word_embeddings": false,
      ].merging(RotarySpelling().defaults) { own, _ in own },
      optional: ["num_key_value_heads", "sliding_window", "layer_types"]),
    biases: .ofAttentionAsConfigured, norms: .beforeAndOfHeads,
    ggufTable: {
      GGUFTable(
        "qwen3",
        keys: GGUFSetting.ofLlamaWithoutHeads + [
          GGUFSetting("attention.key_length", "head_dim", .ownHeadWidth),
          GGUFSetting("attention.value_length", nil, .ownHeadWidth),
        ],
        constants: [("hidden_act", "silu")], activations: [.silu], rotatesParts: false,
        exclusions: [.attentionBias], foreignKeys: ["expert_count"], composesTexts: true,
        largeModels: .all)
    },
    rest: windowsOfQwen)
}
