import TensorModel

extension FindingKinds {
  /// A checkpoint against another one that must give the same tensors.
  static let against: [FindingKind] = [
    FindingKind(
      "against-difference", "against", .error,
      "A tensor's values differ from the other's",
      """
      The other checkpoint, converted in the same way, gives other values for this tensor. The \
      message counts how many and says where the first one is. Either it isn't the source, or \
      one of the two was changed; `weighbridge compare` says how far apart they are.
      """),
    FindingKind(
      "against-shape", "against", .error,
      "A tensor's shape differs from the other's",
      """
      Both checkpoints have the tensor, and its shapes aren't the same. They are of different \
      models or sizes. Check that you named the right checkpoint.
      """),
    FindingKind(
      "against-extra", "against", .error,
      "A tensor is in the checkpoint and not in the other",
      """
      The checkpoint has a tensor that the other one doesn't give. It was added, or the two \
      are different models. Check that you named the right checkpoint.
      """),
    FindingKind(
      "against-missing", "against", .error,
      "A tensor of the other checkpoint is missing",
      """
      The other checkpoint gives a tensor that this one doesn't have. It was lost in a \
      conversion, or the two are different models. Convert the model again from its source.
      """),
    FindingKind(
      "against-names", "against", .error,
      "The tensors can't be matched",
      """
      One of the checkpoints has names that can't be brought to the canonical ones, so its \
      tensors can't be paired with the other's. The message says what is in the way. Pass \
      --config if the configuration is missing.
      """),
    FindingKind(
      "against-unreadable", "against", .error,
      "A tensor can't be compared",
      """
      The tensor's values can't be read or computed in one of the two checkpoints. The message \
      says in which way. Verify the other checkpoint by itself first.
      """),
    FindingKind(
      "against-configuration", "against", .error,
      "The configurations differ",
      """
      A setting that changes what the model computes isn't the same in both configurations. \
      Equal weights then give different results. Find out which of the two configurations is \
      right.
      """),
    FindingKind(
      "against-attention", "against", .warning,
      "The two see their prompts differently",
      """
      One model sees its prompt causally, the other as a whole (prefix attention). The same \
      weights compute something else then. Convert again with --attention if one of the two is \
      wrong.
      """),
  ]
}
