import FileContainers
import TensorModel

extension TensorFlowTable {
  /// GPT-Neo as it was trained with Mesh-TensorFlow.
  ///
  /// Source: models/gpt2/gpt2.py of EleutherAI/gpt-neo. Queries, keys and values have no biases; the head is the embedding.
  static let gptNeo = TensorFlowTable(
    variables: [
      .variable("gpt2/wte", "transformer.wte.weight", .trimmed),
      .variable("gpt2/wpe", "transformer.wpe.weight"),
      .variable("gpt2/h{i}/norm_1/g", "transformer.h.{i}.ln_1.weight"),
      .variable("gpt2/h{i}/norm_1/b", "transformer.h.{i}.ln_1.bias"),
      .variable("gpt2/h{i}/attn/k", "transformer.h.{i}.attn.attention.k_proj.weight", .transposed),
      .variable("gpt2/h{i}/attn/v", "transformer.h.{i}.attn.attention.v_proj.weight", .transposed),
      .variable("gpt2/h{i}/attn/q", "transformer.h.{i}.attn.attention.q_proj.weight", .transposed),
      .variable(
        "gpt2/h{i}/attn/o", "transformer.h.{i}.attn.attention.out_proj.weight", .transposed),
      .variable(
        "gpt2/h{i}/attn/compute_output_bias/o_b", "transformer.h.{i}.attn.attention.out_proj.bias"),
      .variable("gpt2/h{i}/norm_2/g", "transformer.h.{i}.ln_2.weight"),
      .variable("gpt2/h{i}/norm_2/b", "transformer.h.{i}.ln_2.bias"),
      .variable(
        "gpt2/h{i}/mlp/conv1d_main/c_fc/kernel", "transformer.h.{i}.mlp.c_fc.weight", .transposed),
      .variable("gpt2/h{i}/mlp/conv1d_main/c_fc/bias", "transformer.h.{i}.mlp.c_fc.bias"),
      .variable(
        "gpt2/h{i}/mlp/conv1d_main/c_proj/kernel", "transformer.h.{i}.mlp.c_proj.weight",
        .transposed),
      .variable("gpt2/h{i}/mlp/conv1d_main/c_proj/bias", "transformer.h.{i}.mlp.c_proj.bias"),
      .variable("gpt2/ln_f/g", "transformer.ln_f.weight"),
      .variable("gpt2/ln_f/b", "transformer.ln_f.bias"),
    ],
    configurationName: HuggingFaceConfiguration.fileName, sidecars: [:],
    configuration: { (settings, dtype) throws(CheckpointError) in
      try MeshTensorFlowConfiguration(settings).huggingFaceConfiguration(dtype: dtype)
    },
    template: { sizes in
      .object([
        .init("n_vocab", .integer(sizes.vocabulary)), .init("n_ctx", .integer(sizes.positions)),
        .init("n_embd", .integer(sizes.model)), .init("n_head", .null),
        .init("n_layer", .integer(sizes.layers)), .init("attention_types", .null),
        .init("local_attention_radius", .null), .init("activation_function", .string("gelu")),
      ])
    })
}
