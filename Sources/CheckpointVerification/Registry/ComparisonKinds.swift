import TensorModel

extension FindingKinds {
  /// What comparing and running models brings up.
  static let comparison: [FindingKind] = [
    FindingKind(
      "configuration-differs", "comparison", .warning,
      "The two configurations differ",
      """
      A setting that changes what the model computes isn't the same in both checkpoints. Even \
      equal weights give different results then. Find out which of the two is right.
      """),
    FindingKind(
      "unused-tensors", "comparison", .warning,
      "Tensors are no part of what is computed",
      """
      The model that is run has no use for some of the checkpoint's tensors. Either they \
      belong to a part that isn't computed here, or the configuration switches them off. Check \
      the configuration if you expect them to count.
      """),
  ]
}
