extension Architecture {
  /// Llama: RMS norms, rotary positions in halves, a gated feed-forward layer, heads that may share keys and values.
  public static let llama = llamaLike(
    name: "llama", modelClass: "LlamaForCausalLM", gguf: inPairs)

  /// Mistral: Llama with a sliding window.
  public static let mistral = llamaLike(
    name: "mistral", modelClass: "MistralForCausalLM", gguf: inPairs)

  /// Qwen2: Llama with biases of queries, keys and values.
  public static let qwen2 = llamaLike(
    name: "qwen2", modelClass: "Qwen2ForCausalLM", hasOutputBias: false, gguf: GGUFTable("qwen2"))

  private static let inPairs = GGUFTable("llama", rowOrders: [.query: .pairs, .key: .pairs])

  /// - Parameters:
  ///   - name: `model_type`.
  ///   - modelClass: of transformers.
  ///   - hasOutputBias: whether the attention's output has a bias where the other projections have one.
  ///   - gguf: its layout in GGUF files.
  /// - Returns: the table.
  private static func llamaLike(
    name: String, modelClass: String, hasOutputBias: Bool = true, gguf: GGUFTable
  ) -> Architecture {
    let outputBias: [Row] =
      hasOutputBias
      ? [
        .weight(
          "model.layers.{i}.self_attn.o_proj.bias", [.model], .bias(.output), if: .attentionBias)
      ] : []
    return Architecture(
      name: name, modelClass: modelClass,
      rows: [
        .weight("model.embed_tokens.weight", [.vocabulary, .model], .tokenEmbedding),
        .weight(
          "model.layers.{i}.self_attn.q_proj.weight", [.queries, .model], .weight(.query)),
        .weight(
          "model.layers.{i}.self_attn.q_proj.bias", [.queries], .bias(.query),
          if: .attentionBias),
        .weight("model.layers.{i}.self_attn.k_proj.weight", [.keys, .model], .weight(.key)),
        .weight(
          "model.layers.{i}.self_attn.k_proj.bias", [.keys], .bias(.key), if: .attentionBias),
        .weight("model.layers.{i}.self_attn.v_proj.weight", [.keys, .model], .weight(.value)),
        .weight(
          "model.layers.{i}.self_attn.v_proj.bias", [.keys], .bias(.value), if: .attentionBias),
        .weight(
          "model.layers.{i}.self_attn.o_proj.weight", [.model, .queries], .weight(.output)),
      ] + outputBias + [
        .weight("model.layers.{i}.mlp.gate_proj.weight", [.inner, .model], .weight(.gate)),
        .weight(
          "model.layers.{i}.mlp.gate_proj.bias", [.inner], .bias(.gate), if: .feedForwardBias),
        .weight("model.layers.{i}.mlp.up_proj.weight", [.inner, .model], .weight(.up)),
        .weight("model.layers.{i}.mlp.up_proj.bias", [.inner], .bias(.up), if: .feedForwardBias),
        .weight("model.layers.{i}.mlp.down_proj.weight", [.model, .inner], .weight(.down)),
        .weight(
          "model.layers.{i}.mlp.down_proj.bias", [.model], .bias(.down), if: .feedForwardBias),
        .weight("model.layers.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
        .weight(
          "model.layers.{i}.post_attention_layernorm.weight", [.model], .normScale(.feedForward)),
        .weight("model.norm.weight", [.model], .normScale(.final)),
        .weight("lm_head.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
      ],
      mesh: nil,
      gguf: gguf)
  }
}
