public import ModelArchitectures

/// A tensor that both checkpoints have in one shape, whether or not it differs: what summaries and charts are made of.
public struct ComparedTensor: Sendable, Hashable {
  /// The canonical name.
  public let name: String
  /// What it is for, and in which layer.
  public let place: WeightPlace
  /// How the second checkpoint's differs; nil if both are identical.
  public let relation: TensorDifference.Relation?
  /// How far its values were moved; nil for tensors that aren't of floats.
  public let movement: Movement?
  /// The rank of the change; nil where it wasn't asked for, and where nothing changed.
  public let rank: ChangeRank?

  /// Whether both have the same values, even if in other dtypes.
  public var isEqual: Bool { relation == nil || relation == .equalAfterWidening }
}
