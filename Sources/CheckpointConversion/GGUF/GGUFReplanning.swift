public import CheckpointFormats
public import Quantization
public import TensorEvaluation
public import TensorModel

extension Planner {
  /// What a source gives in the names and types of a GGUF file.
  ///
  /// - Parameters:
  ///   - other: what the file is said to be made of.
  ///   - file: the file.
  ///   - importance: the matrix that it was quantized with, if there was one.
  ///   - resources: memory and threads.
  /// - Returns: the tensors that a conversion would write.
  /// - Throws: `unsupported` where the other's model has no graph there, and what planning throws.
  public static func outputs(
    of other: Source, like file: Checkpoint, importance: ImportanceMatrix?,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> [Output] {
    var request = QuantizationRequest(.f32)
    for tensor in file.tensors { request.exactTypes[ExactName(tensor.name)] = tensor.dtype }
    request.importance = importance
    var settings = ConversionPlan.Settings()
    settings.quantization = request
    let planner = Planner(other, settings, resources)
    return try GGUFTensors(planner, GGUFGraph(other)).outputs
  }
}
