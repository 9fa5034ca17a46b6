import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
import TensorEvaluation
import TensorModel

extension MLXTarget {
  /// Codes, scales and biases are made again, under mlx-lm's names.
  static func replanned(
    _ other: Source, like written: Source, statistics: InputStatistics,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned? {
    let checkpoint = written.checkpoint
    // What is written for MLX says so.
    guard MLXFormat.wrote(checkpoint), let formats = try formats(of: checkpoint),
      try other.huggingFaceConfiguration() != nil
    else { return nil }
    // What is taken from there is compared by values, unless it was quantized anew.
    if MLXFormat.wrote(other.checkpoint), try Self.formats(of: other.checkpoint) == formats,
      scaleDTypes(other.checkpoint, formats) == scaleDTypes(checkpoint, formats)
    {
      return nil
    }
    var request = QuantizationRequest(.f32)
    request.quality = try QuantizationMarks.quality(of: checkpoint, statistics: statistics)
    request.importance = statistics.importance
    request.moments = statistics.moments
    var dtypes = scaleDTypes(checkpoint, formats)
    for tensor in checkpoint.tensors {
      if let format = formats[ExactName(tensor.name)] {
        request.exactTypes[ExactName(tensor.name)] = .packed(format)
      } else if tensor.dtype.isCastable {
        request.exactTypes[ExactName(tensor.name)] = .dtype(tensor.dtype)
        dtypes.insert(tensor.dtype)
      }
    }
    var settings = ConversionPlan.Settings()
    settings.quantization = request
    // Weights that were cast before they were quantized are cast again; where tensors differ, they were left as they are.
    let floats = dtypes.filter(\.isCastable)
    if floats.count == 1 { settings.dtype = floats.first }
    do throws(CheckpointError) {
      let planner = Planner(other, settings, resources)
      let graph = try MLXGraph(other)
      return Replanned(
        weights: try MLXTensors(planner, graph).weights,
        configuration: MLXConfiguration(graph).text(dtype: nil, standard: nil, []))
    } catch {
      guard error.code == .unsupported else { throw error }
      return nil
    }
  }

  private static func scaleDTypes(
    _ checkpoint: Checkpoint, _ formats: [ExactName: PackedFormat]
  ) -> Set<DType> {
    Set(
      formats.keys.compactMap {
        checkpoint.type(of: "\(StoredWeight.module(of: $0.text)).scales")?.dtype
      })
  }

  /// The formats of packed weights by their names; nil without a configuration.
  private static func formats(
    of checkpoint: Checkpoint
  ) throws(CheckpointError) -> [ExactName: PackedFormat]? {
    guard let text = checkpoint.configuration else { return nil }
    let document = try HuggingFaceConfiguration(parsing: text).document[MLXFormat.quantizationKey]
    let standard = PackedFormat(mlx: document)
    var formats: [ExactName: PackedFormat] = [:]
    for tensor in checkpoint.tensors where tensor.dtype == .u32 {
      let module = StoredWeight.module(of: tensor.name)
      guard checkpoint.type(of: "\(module).scales") != nil else { continue }
      guard let format = PackedFormat(mlx: document?[module]) ?? standard else {
        throw CheckpointError(
          .unsupported, "the configuration names no format of MLX for a module",
          file: HuggingFaceConfiguration.fileName, tensor: tensor.name)
      }
      formats[ExactName(tensor.name)] = format
    }
    return formats
  }
}
