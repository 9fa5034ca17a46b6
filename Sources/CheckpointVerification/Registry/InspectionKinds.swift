import TensorModel

extension FindingKinds {
  /// What statistics say about a checkpoint.
  static let inspection: [FindingKind] = [
    FindingKind(
      "effective-precision", "inspection", .note,
      "The values would fit into a smaller dtype",
      """
      Every value is one that a narrower dtype holds exactly, for example F16 values that are \
      stored as F32. The file is larger than it needs to be. Convert it with --dtype to save \
      the space without loss.
      """)
  ]
}
