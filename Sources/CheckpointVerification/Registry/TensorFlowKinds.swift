import TensorModel

extension FindingKinds {
  /// What TensorFlow checkpoints have beside a model's weights.
  static let tensorFlow: [FindingKind] = [
    FindingKind(
      "padding-trimmed", "structure", .note,
      "Rows of padding are left out",
      """
      The embedding has more rows than the configuration's vocabulary has tokens, because its \
      size was rounded up for training. The rows that belong to tokens are kept as they are; \
      the others are left out. Nothing needs to be done.
      """),
    FindingKind(
      "object-graph", "structure", .note,
      "The names of TensorFlow's objects are left out",
      """
      TensorFlow 2 saves the names of a program's objects beside the variables, as a text. It \
      is no weight, and other formats have no place for it. Variables keep the names that the \
      index has for them.
      """),
  ]
}
