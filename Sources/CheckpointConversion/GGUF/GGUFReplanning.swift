import CheckpointFormats
import Quantization
import TensorEvaluation
import TensorModel

extension GGUFTarget {
  /// Tensors of blocks are made again along the file's own rows, which may be columns of the model's matrices.
  static func replanned(
    _ other: Source, like written: Source, statistics: InputStatistics,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned? {
    let file = written.checkpoint
    let isWeighted = file.metadata.keys.contains { $0.text.hasPrefix("quantize.imatrix") }
    guard !isWeighted || statistics.importance != nil else {
      throw CheckpointError(
        .usage, "the file was quantized with an importance matrix, which --against needs too",
        found: file.metadata["quantize.imatrix.file"], hint: "name it by --imatrix")
    }
    guard file.format == format.name, file.tensors.contains(where: { $0.dtype.isBlockQuantized }),
      try other.huggingFaceConfiguration() != nil
    else { return nil }
    var request = QuantizationRequest(.f32)
    for tensor in file.tensors { request.exactTypes[ExactName(tensor.name)] = .dtype(tensor.dtype) }
    request.importance = statistics.importance
    request.moments = statistics.moments
    request.quality = try QuantizationMarks.quality(of: file, statistics: statistics)
    var settings = ConversionPlan.Settings()
    settings.quantization = request
    do throws(CheckpointError) {
      let tensors = try GGUFTensors(Planner(other, settings, resources), GGUFGraph(other))
      return Replanned(outputs: tensors.outputs, configuration: nil)
    } catch {
      // A model that no graph computes may be the same all the same, under its own names.
      guard error.code == .unsupported else { throw error }
      return nil
    }
  }
}
