public import CheckpointFormats
public import Quantization
public import TensorEvaluation
public import TensorModel

extension Planner {
  /// What a source gives in the names and types of a checkpoint that was written in a format with names and types of its own.
  ///
  /// - Parameters:
  ///   - other: what the checkpoint is said to be made of.
  ///   - written: the checkpoint.
  ///   - importance: the matrix that it was quantized with, if there was one.
  ///   - resources: memory and threads.
  /// - Returns: the tensors that a conversion would write; nil where canonical names and dtypes say all.
  /// - Throws: `usage` where something else is needed to tell, what planning throws.
  public static func outputs(
    of other: Source, like written: Source, importance: ImportanceMatrix?,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> [Output]? {
    for target in Targets.all {
      let outputs = try target.outputs(
        of: other, like: written, importance: importance, resources)
      if let outputs { return outputs }
    }
    return nil
  }
}
