extension Architecture {
  /// How GPT-J's tensors lie in the shards of mesh-transformer-jax.
  static let gptjMesh = MeshTable(
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
    ])
}

extension MeshTable.Leaf {
  fileprivate static func leaf(
    _ name: String, _ shape: [Architecture.Dimension], _ partition: MeshTable.Partition,
    _ use: MeshTable.Use
  ) -> MeshTable.Leaf {
    MeshTable.Leaf(name: name, shape: shape, partition: partition, use: use)
  }
}
