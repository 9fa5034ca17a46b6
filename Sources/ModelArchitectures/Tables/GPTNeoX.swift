extension Architecture {
  /// GPT-NeoX and Pythia: fused queries, keys and values, head by head; partial rotary positions; two norms, used in parallel or in sequence.
  public static let gptNeoX = Architecture(
    name: "gpt_neox",
    modelClass: "GPTNeoXForCausalLM",
    rows: [
      .weight("gpt_neox.embed_in.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("gpt_neox.layers.{i}.input_layernorm.weight", [.model], .normScale(.attention)),
      .weight("gpt_neox.layers.{i}.input_layernorm.bias", [.model], .normOffset(.attention)),
      .weight(
        "gpt_neox.layers.{i}.post_attention_layernorm.weight", [.model],
        .normScale(.feedForward)),
      .weight(
        "gpt_neox.layers.{i}.post_attention_layernorm.bias", [.model], .normOffset(.feedForward)),
      .weight(
        "gpt_neox.layers.{i}.attention.query_key_value.weight", [.queriesKeysValues, .model],
        .weight(.queryKeyValue)),
      .weight(
        "gpt_neox.layers.{i}.attention.query_key_value.bias", [.queriesKeysValues],
        .bias(.queryKeyValue), if: .attentionBias),
      .weight(
        "gpt_neox.layers.{i}.attention.dense.weight", [.model, .model], .weight(.output)),
      .weight(
        "gpt_neox.layers.{i}.attention.dense.bias", [.model], .bias(.output), if: .attentionBias),
      .weight("gpt_neox.layers.{i}.mlp.dense_h_to_4h.weight", [.inner, .model], .weight(.up)),
      .weight("gpt_neox.layers.{i}.mlp.dense_h_to_4h.bias", [.inner], .bias(.up)),
      .weight("gpt_neox.layers.{i}.mlp.dense_4h_to_h.weight", [.model, .inner], .weight(.down)),
      .weight("gpt_neox.layers.{i}.mlp.dense_4h_to_h.bias", [.model], .bias(.down)),
      .weight("gpt_neox.final_layer_norm.weight", [.model], .normScale(.final)),
      .weight("gpt_neox.final_layer_norm.bias", [.model], .normOffset(.final)),
      .weight("embed_out.weight", [.vocabulary, .model], .weight(.head), if: .untiedHead),
    ],
    mesh: nil,
    gguf: GGUFTable("gptneox", rowOrders: [.queryKeyValue: .consecutive]))
}
