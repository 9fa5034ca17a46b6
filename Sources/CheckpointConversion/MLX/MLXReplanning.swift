import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
import TensorEvaluation
import TensorModel

extension MLXTarget {
  /// Codes, scales and biases are made again, under mlx-lm's names.
  static func replanned(
    _ other: Source, like written: Source, importance: ImportanceMatrix?,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned? {
    let checkpoint = written.checkpoint
    // What is written for MLX says so, and what is taken from there isn't it.
    guard MLXFormat.wrote(checkpoint), !MLXFormat.wrote(other.checkpoint),
      let text = checkpoint.configuration, try other.huggingFaceConfiguration() != nil
    else { return nil }
    let document = try HuggingFaceConfiguration(parsing: text).document[MLXFormat.quantizationKey]
    let standard = PackedFormat(mlx: document)
    var request = QuantizationRequest(.f32)
    var dtypes: Set<DType> = []
    for tensor in checkpoint.tensors {
      let module = MLXTensors.module(of: tensor.name)
      let scales = checkpoint.type(of: "\(module).scales")
      if tensor.dtype == .u32, let scales {
        guard let format = PackedFormat(mlx: document?[module]) ?? standard else {
          throw CheckpointError(
            .unsupported, "the configuration names no format of MLX for a module",
            file: HuggingFaceConfiguration.fileName, tensor: tensor.name)
        }
        request.exactTypes[ExactName(tensor.name)] = .packed(format)
        dtypes.insert(scales.dtype)
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
        outputs: try MLXTensors(planner, graph).weights.flatMap(\.parts),
        configuration: MLXConfiguration(graph).text(dtype: nil, standard: nil, []))
    } catch {
      guard error.code == .unsupported else { throw error }
      return nil
    }
  }
}
