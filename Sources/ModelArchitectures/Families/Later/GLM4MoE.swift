import FileContainers
import TensorModel

extension Architecture {
  /// GLM-4.5 and its kin: experts beside a shared one in all layers but the first.
  static let glm4MoE = later(
    name: "glm4_moe", modelClass: "Glm4MoeForCausalLM",
    [
      "vocab_size": 151552, "hidden_size": 4096, "intermediate_size": 10944,
      "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8,
      "head_dim": .null, "attention_bias": false, "moe_intermediate_size": 1408,
      "n_shared_experts": 1, "n_routed_experts": 128, "first_k_dense_replace": 1,
      "use_qk_norm": false, "tie_word_embeddings": false,
    ],
    aliases: ["num_local_experts": "n_routed_experts"],
    rows: attentionInLayer(biases: true) + [
      inLayer("self_attn.q_norm.weight", [.headWidth], if: .headNorms),
      inLayer("self_attn.k_norm.weight", [.headWidth], if: .headNorms),
    ] + mixtureWithShared + [
      inLayer("input_layernorm.weight", [.model]),
      inLayer("post_attention_layernorm.weight", [.model]),
    ],
    sizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      try readMixtureWithShared(&settings, &dimensions)
      if try settings.flag("attention_bias") { dimensions.conditions.insert(.attentionBias) }
      if try settings.flag("use_qk_norm") { dimensions.conditions.insert(.headNorms) }
      let heads = try settings.count("num_attention_heads", below: Dimensions.headLimit)
      dimensions.headWidth = dimensions.queries / heads
    })
}
