import TensorModel

extension FindingKinds {
  /// What the shards of JAX's Mesh-Transformer tell about their training and cutting.
  static let meshTransformers: [FindingKind] = [
    FindingKind(
      "optimizer-state", "structure", .note,
      "Optimizer state is left out",
      """
      The checkpoint also holds the optimizer's tensors from the training, or counts its steps. \
      A model has no use for them, and conversions don't carry them. Keep the original files if \
      the training should go on.
      """),
    FindingKind(
      "partial-biases", "structure", .note,
      "Summed biases differ from shard to shard",
      """
      Some biases are sums over the shards. Training gives every shard the same share, and \
      here the shares differ, which tells that the checkpoint was resharded. The sums are \
      computed from what is stored, so nothing needs to be done.
      """),
    FindingKind(
      "layer-norm-desync", "structure", .warning,
      "Copies of a layer norm differ between shards",
      """
      Only the first shard's layer norm is trained; the others keep their initial values or, \
      in old checkpoints, equal it. A shard here has neither, so something has changed it. The \
      first shard's values are used; compare the shards with the original ones.
      """),
    FindingKind(
      "element-census", "structure", .note,
      "The shards hold more elements than the model",
      """
      The note counts the stored elements and those of the model. Layer norms and summed \
      biases are in every shard, so that the shards hold some more than the model has. It is a \
      fact for your records; nothing is wrong.
      """),
    FindingKind(
      "step-differs", "structure", .warning,
      "The shards are from different training steps",
      """
      The shards store the step at which they were saved, and the steps aren't the same. Their \
      weights don't belong together, and the model will compute something that was never \
      trained. Get all shards of one step.
      """),
    FindingKind(
      "configuration-inferred", "structure", .note,
      "GPT-J-6B's settings are assumed",
      """
      The checkpoint has no configuration, and its shapes are those of GPT-J-6B. The number of \
      heads, the rotary dimensions and the number of positions can't be seen in shapes, so \
      they are taken from that model. Pass --config if the model is another one of the same \
      size.
      """),
  ]
}
