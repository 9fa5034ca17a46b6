import FileContainers
import TensorModel

extension Architecture {
  /// Gemma 3n's language model: four streams, embeddings for each layer, keys shared by the last layers.
  static let gemma3nText = later(
    name: "gemma3n_text", modelClass: "Gemma3nForCausalLM",
    [
      "vocab_size": 262400, "hidden_size": 2048, "intermediate_size": 16384,
      "num_hidden_layers": 35, "num_attention_heads": 8, "num_key_value_heads": 2,
      "head_dim": 256, "vocab_size_per_layer_input": 262144, "hidden_size_per_layer_input": 256,
      "altup_num_inputs": 4, "num_kv_shared_layers": 15, "laurel_rank": 64,
      "altup_correct_scale": true, "tie_word_embeddings": true,
    ],
    // Layers with keys of their own are the marked ones.
    rows: [
      inLayer("self_attn.q_proj.weight", [.queries, .model]),
      inLayer("self_attn.k_proj.weight", [.keys, .model], if: .markedLayer),
      inLayer("self_attn.v_proj.weight", [.keys, .model], if: .markedLayer),
      inLayer("self_attn.o_proj.weight", [.model, .queries]),
      inLayer("self_attn.q_norm.weight", [.headWidth]),
      inLayer("self_attn.k_norm.weight", [.headWidth], if: .markedLayer),
    ] + gatedInLayer("mlp", .inner) + [
      inLayer("altup.correct_output_scale", [.model], if: .firstNorm),
      inLayer("altup.correction_coefs.weight", ["altup_num_inputs", "altup_num_inputs"]),
      inLayer("altup.modality_router.weight", ["altup_num_inputs", .model]),
      inLayer("altup.prediction_coefs.weight", ["altup squared", "altup_num_inputs"]),
      inLayer("altup.router_norm.weight", [.model]),
      inLayer("laurel.linear_left.weight", ["laurel_rank", .model]),
      inLayer("laurel.linear_right.weight", [.model, "laurel_rank"]),
      inLayer("laurel.post_laurel_norm.weight", [.model]),
      inLayer("per_layer_input_gate.weight", ["hidden_size_per_layer_input", .model]),
      inLayer("per_layer_projection.weight", [.model, "hidden_size_per_layer_input"]),
      inLayer("post_per_layer_input_norm.weight", [.model]),
      inLayer("input_layernorm.weight", [.model]),
      inLayer("post_attention_layernorm.weight", [.model]),
      inLayer("pre_feedforward_layernorm.weight", [.model]),
      inLayer("post_feedforward_layernorm.weight", [.model]),
    ],
    others: [
      .weight(
        "model.embed_tokens_per_layer.weight", ["vocab_size_per_layer_input", "per layers"],
        .other("embed_tokens_per_layer")),
      .weight(
        "model.per_layer_model_projection.weight", ["per layers", .model],
        .other("per_layer_model_projection")),
      .weight(
        "model.per_layer_projection_norm.weight", ["hidden_size_per_layer_input"],
        .other("per_layer_projection_norm")),
    ]
      + (0..<3).flatMap { number in
        ["altup_projections", "altup_unembed_projections"].map { name in
          Row.weight(
            "model.\(name).\(number).weight", [.model, .model], .other("\(name).\(number)"))
        }
      },
    sizes: {
      (settings: inout SettingsReader, dimensions: inout Dimensions) throws(CheckpointError) in
      let limit = Dimensions.widthLimit
      let streams = try settings.count("altup_num_inputs", below: Dimensions.headLimit)
      guard streams == 4 else { throw settings.unsupported("altup_num_inputs", expected: "4") }
      let width = try settings.count("hidden_size_per_layer_input", below: limit)
      for (name, extent) in [
        ("altup_num_inputs", streams), ("altup squared", streams * streams),
        ("laurel_rank", try settings.count("laurel_rank", below: limit)),
        ("hidden_size_per_layer_input", width), ("per layers", width * dimensions.layers),
        ("vocab_size_per_layer_input", try settings.count("vocab_size_per_layer_input")),
      ] {
        dimensions.others[Dimension(stringLiteral: name)] = extent
      }
      if try settings.flag("altup_correct_scale") { dimensions.conditions.insert(.firstNorm) }
      let heads = try settings.count("num_attention_heads", below: Dimensions.headLimit)
      dimensions.headWidth = dimensions.queries / heads
      let shared = try settings.count("num_kv_shared_layers", atLeast: 0)
      dimensions.markedLayers = Set(0..<max(0, dimensions.layers - shared))
    })
}
