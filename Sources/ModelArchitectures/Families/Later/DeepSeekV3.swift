import FileContainers
import TensorModel

extension Architecture {
  /// DeepSeek V3 and R1: latent attention, experts beside a shared one in all layers but the first.
  static let deepSeekV3 = later(
    name: "deepseek_v3", modelClass: "DeepseekV3ForCausalLM",
    [
      "vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432,
      "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 128,
      "num_key_value_heads": 128, "n_shared_experts": 1, "n_routed_experts": 256,
      "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "v_head_dim": 128,
      "qk_nope_head_dim": 128, "first_k_dense_replace": 3, "attention_bias": false,
      "tie_word_embeddings": false,
    ],
    aliases: ["num_local_experts": "n_routed_experts"],
    rows: [
      inLayer("self_attn.q_proj.weight", ["q heads", .model], if: .firstNorm),
      inLayer("self_attn.q_a_proj.weight", ["q_lora_rank", .model], if: .secondNorm),
      inLayer("self_attn.q_a_layernorm.weight", ["q_lora_rank"], if: .secondNorm),
      inLayer("self_attn.q_b_proj.weight", ["q heads", "q_lora_rank"], if: .secondNorm),
      inLayer("self_attn.kv_a_proj_with_mqa.weight", ["kv_lora_rank + rope", .model]),
      inLayer("self_attn.kv_a_layernorm.weight", ["kv_lora_rank"]),
      inLayer("self_attn.kv_b_proj.weight", ["k and v heads", "kv_lora_rank"]),
      inLayer("self_attn.o_proj.weight", [.model, "v heads"]),
      inLayer("self_attn.q_a_proj.bias", ["q_lora_rank"], if: .attentionBias),
      inLayer("self_attn.kv_a_proj_with_mqa.bias", ["kv_lora_rank + rope"], if: .attentionBias),
      inLayer("self_attn.o_proj.bias", [.model], if: .attentionBias),
    ] + mixtureWithShared + [
      inLayer("input_layernorm.weight", [.model]),
      inLayer("post_attention_layernorm.weight", [.model]),
    ],
    sizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      try readMixtureWithShared(&settings, &dimensions)
      if try settings.flag("attention_bias") { dimensions.conditions.insert(.attentionBias) }
      let limit = Dimensions.widthLimit
      let heads = try settings.count("num_attention_heads", below: Dimensions.headLimit)
      let plain = try settings.count("qk_nope_head_dim", below: Dimensions.headLimit)
      let rotary = try settings.count("qk_rope_head_dim", below: Dimensions.headLimit)
      let value = try settings.count("v_head_dim", below: Dimensions.headLimit)
      let latent = try settings.count("kv_lora_rank", below: limit)
      // Without a rank queries are projected at once.
      let isLow = settings.document["q_lora_rank"] != .null
      if isLow {
        dimensions.others["q_lora_rank"] = try settings.count("q_lora_rank", below: limit)
      }
      dimensions.conditions.insert(isLow ? .secondNorm : .firstNorm)
      dimensions.others["q heads"] = heads * (plain + rotary)
      dimensions.others["kv_lora_rank"] = latent
      dimensions.others["kv_lora_rank + rope"] = latent + rotary
      dimensions.others["k and v heads"] = heads * (plain + value)
      dimensions.others["v heads"] = heads * value
    })

  /// A dense feed-forward layer, or experts with a shared one and a bias for choosing.
  static let mixtureWithShared: [Row] =
    gatedInLayer("mlp", .inner, if: .denseLayer) + [
      .weight(
        "model.layers.{i}.mlp.gate.weight", [.experts, .model], .weight(.router),
        if: .expertLayer),
      inLayer("mlp.gate.e_score_correction_bias", [.experts], if: .expertLayer),
    ]
    + separateExperts(
      "model.layers.{i}.mlp.experts", ["gate_proj", "up_proj", "down_proj"], if: .expertLayer)
    + stackedExperts("model.layers.{i}.mlp.experts", if: .expertLayer)
    + gatedInLayer("mlp.shared_experts", "shared experts", if: .expertLayer)

  /// Reads the sizes of such a mixture.
  static func readMixtureWithShared(
    _ settings: inout SettingsReader, _ dimensions: inout Dimensions
  ) throws(CheckpointError) {
    dimensions.experts = try settings.expertCount("n_routed_experts", dimensions)
    dimensions.expertInner = try settings.count(
      "moe_intermediate_size", below: Dimensions.widthLimit)
    let shared = try settings.count("n_shared_experts", below: Dimensions.headLimit)
    dimensions.others["shared experts"] = shared * dimensions.expertInner
    dimensions.denseLayers = try settings.denseLayers("first_k_dense_replace", of: dimensions)
  }
}
