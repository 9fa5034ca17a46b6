import FileContainers
import TensorModel

extension Architecture {
  /// OLMo 2: Llama with norms after attention and feed-forward layer instead of before, and of all queries and keys.
  public static let olmo2 = llamaLike(
    name: "olmo2", modelClass: "Olmo2ForCausalLM",
    settings: ClassSettings(
      [
        "vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": .null,
        "head_dim": .null, "hidden_act": "silu", "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5, "attention_bias": false, "tie_word_embeddings": false,
      ].merging(RotarySpelling().defaults) { own, _ in own }),
    biases: .ofAttentionAsConfigured, norms: .afterAndOfAll,
    ggufTable: {
      GGUFTable(
        "olmo2", keys: GGUFSetting.ofLlama, constants: [("hidden_act", "silu")],
        activations: [.silu], repeatsTiedHead: true, rotatesParts: false,
        exclusions: [.attentionBias], composesTexts: true)
    }
  ) { _, _ in }
}
