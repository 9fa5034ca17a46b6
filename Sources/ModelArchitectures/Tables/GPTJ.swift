extension Architecture {
  /// GPT-J-6B and its forks (GPT-JT): parallel attention and feed-forward, interleaved rotary positions, an untied head with a bias.
  public static let gptj = Architecture(
    name: "gptj",
    modelClass: "GPTJForCausalLM",
    rows: [
      .weight("transformer.wte.weight", [.vocabulary, .model], .tokenEmbedding),
      .weight("transformer.h.{i}.ln_1.weight", [.model], .normScale(.attention)),
      .weight("transformer.h.{i}.ln_1.bias", [.model], .normOffset(.attention)),
      .weight("transformer.h.{i}.attn.k_proj.weight", [.model, .model], .weight(.key)),
      .weight("transformer.h.{i}.attn.v_proj.weight", [.model, .model], .weight(.value)),
      .weight("transformer.h.{i}.attn.q_proj.weight", [.model, .model], .weight(.query)),
      .weight("transformer.h.{i}.attn.out_proj.weight", [.model, .model], .weight(.output)),
      .weight("transformer.h.{i}.mlp.fc_in.weight", [.inner, .model], .weight(.up)),
      .weight("transformer.h.{i}.mlp.fc_in.bias", [.inner], .bias(.up)),
      .weight("transformer.h.{i}.mlp.fc_out.weight", [.model, .inner], .weight(.down)),
      .weight("transformer.h.{i}.mlp.fc_out.bias", [.model], .bias(.down)),
      .weight("transformer.ln_f.weight", [.model], .normScale(.final)),
      .weight("transformer.ln_f.bias", [.model], .normOffset(.final)),
      .weight("lm_head.weight", [.vocabulary, .model], .weight(.head)),
      .weight("lm_head.bias", [.vocabulary], .bias(.head)),
    ],
    mesh: MeshTable(
      before: [
        .leaf(
          "embedding_shard/~/linear/b", [.model], .summed,
          .addedToRows(of: "transformer.wte.weight")),
        .leaf(
          "embedding_shard/~/linear/w", [.vocabulary, .model], .axis(0),
          .tensor("transformer.wte.weight")),
      ],
      layer: [
        .leaf(
          "layer_{i}/~/linear/w", [.model, .model], .axis(1),
          .transposed("transformer.h.{i}.attn.q_proj.weight")),
        // Constructed in the order q, v, k: linear_1 is V.
        .leaf(
          "layer_{i}/~/linear_1/w", [.model, .model], .axis(1),
          .transposed("transformer.h.{i}.attn.v_proj.weight")),
        .leaf(
          "layer_{i}/~/linear_2/w", [.model, .model], .axis(1),
          .transposed("transformer.h.{i}.attn.k_proj.weight")),
        .leaf(
          "layer_{i}/~/linear_3/w", [.model, .model], .axis(0),
          .transposed("transformer.h.{i}.attn.out_proj.weight")),
        .leaf(
          "layer_{i}/~/linear_4/b", [.inner], .axis(0), .tensor("transformer.h.{i}.mlp.fc_in.bias")),
        .leaf(
          "layer_{i}/~/linear_4/w", [.model, .inner], .axis(1),
          .transposed("transformer.h.{i}.mlp.fc_in.weight")),
        .leaf(
          "layer_{i}/~/linear_5/b", [.model], .summed, .tensor("transformer.h.{i}.mlp.fc_out.bias")),
        .leaf(
          "layer_{i}/~/linear_5/w", [.inner, .model], .axis(0),
          .transposed("transformer.h.{i}.mlp.fc_out.weight")),
        .leaf(
          "layer_{i}/~/replicated_layer_norm/offset", [.model], .firstShard,
          .tensor("transformer.h.{i}.ln_1.bias")),
        .leaf(
          "layer_{i}/~/replicated_layer_norm/scale", [.model], .firstShard,
          .tensor("transformer.h.{i}.ln_1.weight")),
      ],
      after: [
        .leaf("projection_shard/~/linear/b", [.vocabulary], .axis(0), .tensor("lm_head.bias")),
        .leaf(
          "projection_shard/~/linear/w", [.model, .vocabulary], .axis(1),
          .transposed("lm_head.weight")),
        .leaf(
          "projection_shard/~/replicated_layer_norm/offset", [.model], .firstShard,
          .tensor("transformer.ln_f.bias")),
        .leaf(
          "projection_shard/~/replicated_layer_norm/scale", [.model], .firstShard,
          .tensor("transformer.ln_f.weight")),
      ]),
    // Phi-2 computes the same, but pairs the halves of the rotated dimensions and has biases of the attention.
    gguf: GGUFTable(
      "phi2", rowOrders: [.query: .halves, .key: .halves],
      zeroBiases: [.query, .key, .value, .output]))
}

extension MeshTable.Leaf {
  fileprivate static func leaf(
    _ name: String, _ shape: [Architecture.Dimension], _ partition: MeshTable.Partition,
    _ use: MeshTable.Use
  ) -> MeshTable.Leaf {
    MeshTable.Leaf(name: name, shape: shape, partition: partition, use: use)
  }
}
