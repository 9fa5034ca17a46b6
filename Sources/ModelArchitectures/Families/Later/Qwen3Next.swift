import FileContainers
import TensorModel

extension Architecture {
  /// Qwen3-Next: gated delta nets in three of four layers, gated attention in the fourth, experts beside a shared one.
  static let qwen3Next = later(
    name: "qwen3_next", modelClass: "Qwen3NextForCausalLM",
    [
      "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 5632,
      "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2,
      "head_dim": 256, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
      "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32,
      "decoder_sparse_step": 1, "moe_intermediate_size": 512,
      "shared_expert_intermediate_size": 512, "num_experts": 512, "mlp_only_layers": .null,
      "layer_types": .null, "tie_word_embeddings": false,
    ],
    aliases: ["num_local_experts": "num_experts"],
    // Layers of attention are the marked ones.
    rows: attentionInLayer(queries: "queries and gates", if: .markedLayer) + [
      inLayer("self_attn.q_norm.weight", [.headWidth], if: .markedLayer),
      inLayer("self_attn.k_norm.weight", [.headWidth], if: .markedLayer),
      inLayer("linear_attn.in_proj_qkvz.weight", ["q, k, v, z", .model], if: .unmarkedLayer),
      inLayer("linear_attn.in_proj_ba.weight", ["b and a", .model], if: .unmarkedLayer),
      inLayer(
        "linear_attn.conv1d.weight", ["q, k, v", "one", "linear_conv_kernel_dim"],
        if: .unmarkedLayer),
      inLayer("linear_attn.A_log", ["linear_num_value_heads"], if: .unmarkedLayer),
      inLayer("linear_attn.dt_bias", ["linear_num_value_heads"], if: .unmarkedLayer),
      inLayer("linear_attn.norm.weight", ["linear_value_head_dim"], if: .unmarkedLayer),
      inLayer("linear_attn.out_proj.weight", [.model, "values"], if: .unmarkedLayer),
    ] + gatedInLayer("mlp", .inner, if: .denseLayer) + [
      .weight(
        "model.layers.{i}.mlp.gate.weight", [.experts, .model], .weight(.router),
        if: .expertLayer),
      inLayer("mlp.shared_expert_gate.weight", ["one", .model], if: .expertLayer),
    ]
      + separateExperts(
        "model.layers.{i}.mlp.experts", ["gate_proj", "up_proj", "down_proj"], if: .expertLayer)
      + stackedExperts("model.layers.{i}.mlp.experts", if: .expertLayer)
      + gatedInLayer("mlp.shared_expert", "shared_expert_intermediate_size", if: .expertLayer) + [
        inLayer("input_layernorm.weight", [.model]),
        inLayer("post_attention_layernorm.weight", [.model]),
      ],
    sizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      try readMixtureOfQwen(&settings, &dimensions)
      let limit = Dimensions.headLimit
      let (keyHeads, valueHeads) = (
        try settings.count("linear_num_key_heads", below: limit),
        try settings.count("linear_num_value_heads", below: limit)
      )
      let valueWidth = try settings.count("linear_value_head_dim", below: limit)
      let keys = keyHeads * (try settings.count("linear_key_head_dim", below: limit))
      let values = valueHeads * valueWidth
      let heads = try settings.count("num_attention_heads", below: limit)
      dimensions.headWidth = dimensions.queries / heads
      for (name, extent) in [
        ("one", 1), ("queries and gates", 2 * dimensions.queries), ("values", values),
        ("q, k, v", 2 * keys + values), ("q, k, v, z", 2 * keys + 2 * values),
        ("b and a", 2 * valueHeads), ("linear_num_value_heads", valueHeads),
        ("linear_value_head_dim", valueWidth),
        ("linear_conv_kernel_dim", try settings.count("linear_conv_kernel_dim", below: limit)),
        (
          "shared_expert_intermediate_size",
          try settings.count("shared_expert_intermediate_size", below: Dimensions.widthLimit)
        ),
      ] {
        dimensions.others[Dimension(stringLiteral: name)] = extent
      }
      var marked = Set((0..<dimensions.layers).filter { ($0 + 1) % 4 == 0 })
      if let kinds = try settings.value("layer_types")?.elements {
        marked = Set(kinds.indices.filter { kinds[$0].text == LayerKind.full.rawValue })
      }
      dimensions.markedLayers = marked
    })
}
