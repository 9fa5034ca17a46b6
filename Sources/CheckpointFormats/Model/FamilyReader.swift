import TensorModel

/// A reader of a format whose own names say which family a model is of, and which makes `config.json` itself, whatever lies beside the weights.
protocol FamilyReader: CheckpointReader {
  /// The family, as `model_type` names it; nil if it isn't known.
  var familyName: String? { get }
}
