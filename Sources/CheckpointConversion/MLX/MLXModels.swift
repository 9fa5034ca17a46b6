import ModelArchitectures

/// mlx-lm's models that are written: one entry each; of several for a family the first that can carry a model counts.
extension MLXModel {
  static let all: [MLXModel] = [
    gptj, phi, gpt2, gptNeoX, llama("llama", ofLlama), llama("mistral", []), llama("qwen2", []),
  ]

  private static let gptj = MLXModel(
    family: "gptj", modelType: "gptj", names: [("transformer.", "model.")],
    keys: ofGPT + [("rotary_dim", .rotaryDimensions)], activations: [.geluTanh, .gelu],
    isFourfold: true, head: .own)

  /// GPT-J of another width: Phi computes the same, but pairs the halves of the rotated dimensions and has biases of the attention.
  private static let phi = MLXModel(
    family: "gptj", modelType: "phi",
    names: [
      ("transformer.wte.", "model.embed_tokens."), ("transformer.h.", "model.layers."),
      ("transformer.ln_f.", "model.final_layernorm."), (".ln_1.", ".input_layernorm."),
      (".attn.out_proj.", ".self_attn.dense."), (".attn.", ".self_attn."),
      (".mlp.fc_in.", ".mlp.fc1."), (".mlp.fc_out.", ".mlp.fc2."),
    ],
    keys: [
      ("hidden_size", .model), ("intermediate_size", .inner), ("layer_norm_eps", .epsilon),
      ("max_position_embeddings", .positions), ("num_attention_heads", .heads),
      ("num_hidden_layers", .layers), ("num_key_value_heads", .keyHeads),
      ("partial_rotary_factor", .rotaryFraction), ("rope_theta", .rotaryBase),
      ("vocab_size", .vocabulary),
    ],
    activations: [.geluTanh, .gelu], head: .own, pairsHalves: true,
    zeroBiases: [.query, .key, .value, .output])

  private static let gpt2 = MLXModel(
    family: "gpt2", modelType: "gpt2", names: [("transformer.", "model.")],
    keys: ofGPT + [("n_ctx", .positions)], activations: [.geluTanh, .gelu], isFourfold: true,
    head: .embedding)

  private static let gptNeoX = MLXModel(
    family: "gpt_neox", modelType: "gpt_neox",
    names: [
      ("gpt_neox.layers.", "model.h."), ("gpt_neox.", "model."), ("embed_out.", "model.embed_out."),
    ],
    keys: [
      ("hidden_size", .model), ("layer_norm_eps", .epsilon),
      ("max_position_embeddings", .positions), ("num_attention_heads", .heads),
      ("num_hidden_layers", .layers), ("rotary_emb_base", .rotaryBase),
      ("rotary_pct", .rotaryFraction), ("use_parallel_residual", .parallelResidual),
      ("vocab_size", .vocabulary),
    ],
    activations: [.geluTanh, .gelu], requirements: [.attentionBias], isFourfold: true, head: .own)

  private static func llama(
    _ family: String, _ others: [(key: String, meaning: Meaning)]
  ) -> MLXModel {
    MLXModel(
      family: family, modelType: family, names: [],
      keys: [
        ("hidden_size", .model), ("intermediate_size", .inner),
        ("max_position_embeddings", .positions), ("num_attention_heads", .heads),
        ("num_hidden_layers", .layers), ("num_key_value_heads", .keyHeads),
        ("rms_norm_eps", .epsilon), ("rope_theta", .rotaryBase), ("tie_word_embeddings", .isTied),
        ("vocab_size", .vocabulary),
      ] + others,
      activations: [.silu], scales: true)
  }

  private static let ofLlama: [(key: String, meaning: Meaning)] = [
    ("attention_bias", .hasAttentionBias), ("head_dim", .headWidth),
    ("mlp_bias", .hasFeedForwardBias),
  ]

  private static let ofGPT: [(key: String, meaning: Meaning)] = [
    ("layer_norm_epsilon", .epsilon), ("n_embd", .model), ("n_head", .heads),
    ("n_layer", .layers), ("n_positions", .positions), ("vocab_size", .vocabulary),
  ]
}
