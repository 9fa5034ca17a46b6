public import TensorModel

/// What was measured of the inputs of a model's layers, as far as weights were quantized by it.
public struct InputStatistics: Sendable, Hashable {
  /// How much columns matter.
  public var importance: ImportanceMatrix?
  /// How columns go together.
  public var moments: SecondMomentFile?

  /// What there is.
  public init(importance: ImportanceMatrix? = nil, moments: SecondMomentFile? = nil) {
    self.importance = importance
    self.moments = moments
  }

  /// Reads files of them.
  ///
  /// - Parameters:
  ///   - importance: the path of an importance matrix; nil for none.
  ///   - moments: the path of a file of second moments; nil for none.
  /// - Throws: what reading them throws.
  public init(importance: String?, moments: String?) throws(CheckpointError) {
    if let importance { self.importance = try ImportanceMatrix(path: importance) }
    if let moments { self.moments = try SecondMomentFile(path: moments, recordedIn: nil) }
  }
}
