import FileContainers
import TensorModel

extension Architecture {
  /// Phi-3.5's mixture: layer norms, biases, experts under Mixtral's names.
  static let phiMoE = later(
    name: "phimoe", modelClass: "PhimoeForCausalLM",
    [
      "vocab_size": 32064, "hidden_size": 4096, "intermediate_size": 6400,
      "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
      "num_local_experts": 16, "attention_bias": false, "lm_head_bias": false,
      "tie_word_embeddings": false,
    ],
    rows: attentionInLayer(biases: true, outputBias: true) + [
      .weight(
        "model.layers.{i}.block_sparse_moe.gate.weight", [.experts, .model], .weight(.router),
        in: .separate)
    ] + separateExperts("model.layers.{i}.block_sparse_moe.experts", ["w1", "w3", "w2"]) + [
      .weight(
        "model.layers.{i}.mlp.router.weight", [.experts, .model], .weight(.router), in: .stacked)
    ] + stackedExperts("model.layers.{i}.mlp.experts") + [
      inLayer("input_layernorm.weight", [.model]),
      inLayer("input_layernorm.bias", [.model]),
      inLayer("post_attention_layernorm.weight", [.model]),
      inLayer("post_attention_layernorm.bias", [.model]),
    ],
    others: [
      .weight("model.norm.bias", [.model], .normOffset(.final)),
      .weight("lm_head.bias", [.vocabulary], .bias(.head), if: .headBias),
    ],
    sizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      dimensions.experts = try settings.expertCount("num_local_experts", dimensions)
      dimensions.expertInner = try settings.count("intermediate_size", below: Dimensions.widthLimit)
      if try settings.flag("attention_bias") { dimensions.conditions.insert(.attentionBias) }
      if try settings.flag("lm_head_bias") { dimensions.conditions.insert(.headBias) }
    })
}
