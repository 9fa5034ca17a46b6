public import CheckpointFormats
public import Quantization
public import TensorEvaluation
public import TensorModel

/// What a source gives in the names and types of a checkpoint that was written in a format with names and types of its own.
public struct Replanned: Sendable {
  /// The tensors that a conversion would write.
  public let outputs: [Planner.Output]
  /// The configuration that it would write; nil where it is the source's.
  public let configuration: [UInt8]?

  /// Plans again.
  ///
  /// - Parameters:
  ///   - other: what the checkpoint is said to be made of.
  ///   - written: the checkpoint.
  ///   - importance: the matrix that it was quantized with, if there was one.
  ///   - resources: memory and threads.
  /// - Returns: nil where canonical names and dtypes say all.
  /// - Throws: `usage` where something else is needed to tell, what planning throws.
  public static func plan(
    of other: Source, like written: Source, importance: ImportanceMatrix?,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned? {
    for target in Targets.all {
      let replanned = try target.replanned(
        other, like: written, importance: importance, resources)
      if let replanned { return replanned }
    }
    return nil
  }
}
