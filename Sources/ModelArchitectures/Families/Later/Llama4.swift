import FileContainers
import TensorModel

extension Architecture {
  /// Llama 4's language model: experts in one tensor for a layer, turned, beside a shared one.
  static let llama4Text = later(
    name: "llama4_text", modelClass: "Llama4ForCausalLM",
    [
      "vocab_size": 202048, "hidden_size": 5120, "intermediate_size": 8192,
      "intermediate_size_mlp": 16384, "num_hidden_layers": 48, "num_attention_heads": 40,
      "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 16, "moe_layers": .null,
      "interleave_moe_layer_step": 1, "attention_bias": false, "tie_word_embeddings": false,
    ],
    rows: attentionInLayer(biases: true, outputBias: true)
      + gatedInLayer("feed_forward", "intermediate_size_mlp", if: .denseLayer) + [
        .weight(
          "model.layers.{i}.feed_forward.experts.gate_up_proj",
          [.experts, .model, .gatesAndExpertInner], .weight(.expertGateUp, .inOut),
          if: .expertLayer, in: .stacked),
        .weight(
          "model.layers.{i}.feed_forward.experts.down_proj", [.experts, .expertInner, .model],
          .weight(.expertDown, .inOut), if: .expertLayer, in: .stacked),
        .weight(
          "model.layers.{i}.feed_forward.router.weight", [.experts, .model], .weight(.router),
          if: .expertLayer),
      ] + gatedInLayer("feed_forward.shared_expert", .expertInner, if: .expertLayer) + [
        inLayer("input_layernorm.weight", [.model]),
        inLayer("post_attention_layernorm.weight", [.model]),
      ],
    sizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      dimensions.experts = try settings.expertCount("num_local_experts", dimensions)
      dimensions.expertInner = try settings.count("intermediate_size", below: Dimensions.widthLimit)
      dimensions.others["intermediate_size_mlp"] = try settings.count(
        "intermediate_size_mlp", below: Dimensions.widthLimit)
      if try settings.flag("attention_bias") { dimensions.conditions.insert(.attentionBias) }
      let step = try settings.count("interleave_moe_layer_step")
      var mixtures = Set((0..<dimensions.layers).filter { ($0 + 1) % step == 0 })
      if let list = try settings.value("moe_layers") {
        mixtures = Set(list.elements?.compactMap(\.integer) ?? [])
      }
      dimensions.denseLayers = Set(0..<dimensions.layers).subtracting(mixtures)
    })
}
