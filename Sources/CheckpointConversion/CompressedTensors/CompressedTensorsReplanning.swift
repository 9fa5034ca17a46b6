import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
import TensorEvaluation
import TensorModel

extension CompressedTensorsPlan {
  /// Codes and scales are made again.
  ///
  /// - Returns: nil where the checkpoint's parts aren't of formats that are written, and where the other has the same ones.
  static func replanned(
    _ other: Source, like written: Source, statistics: InputStatistics,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned? {
    let checkpoint = written.checkpoint
    guard checkpoint.format == SafetensorsFormat.name, let text = checkpoint.configuration,
      let parsed = try ifUsable({ () throws(CheckpointError) in
        try HuggingFaceConfiguration(parsing: text)
      }), let document = parsed.document[CompressedTensorsConfiguration.key],
      document["quant_method"]?.text == "compressed-tensors",
      try other.model().sizes != nil,
      // Copies are compared as they are.
      !checkpoint.tensors.allSatisfy({
        other.checkpoint.type(of: $0.name) == TensorType($0.dtype, $0.shape)
      })
    else { return nil }
    guard var request = request(document, checkpoint) else { return nil }
    request.quality = try QuantizationMarks.quality(of: checkpoint, statistics: statistics)
    request.importance = statistics.importance
    request.moments = statistics.moments
    var settings = ConversionPlan.Settings()
    settings.quantization = request
    var dtypes = Set(request.exactTypes.values.compactMap(\.castDType))
    dtypes.formUnion(
      checkpoint.tensors.filter { $0.name.hasSuffix(".weight_scale") && $0.dtype.isCastable }
        .map { $0.dtype })
    // Weights that were cast before they were quantized are cast again; where tensors differ, they were left as they are.
    if dtypes.count == 1 { settings.dtype = dtypes.first }
    do throws(CheckpointError) {
      let weights = try CompressedTensorsWeights(Planner(other, settings, resources), request)
      return Replanned(weights: weights.weights, configuration: nil)
    } catch {
      guard error.code == .unsupported else { throw error }
      return nil
    }
  }

  /// The types that a checkpoint's tensors have; nil if some are of formats that aren't written.
  private static func request(
    _ document: JSONValue, _ checkpoint: Checkpoint
  ) -> QuantizationRequest? {
    let layout = document["format"]?.text
    let groups = (document["config_groups"]?.members ?? []).map(\.value)
    let formats = groups.map { PackedFormat(compressedTensors: $0, layout: layout) }
    var request = QuantizationRequest(.f32)
    for tensor in checkpoint.tensors {
      if tensor.name.hasSuffix(".weight_scale") {
        let module = String(tensor.name.dropLast(".weight_scale".count))
        let place = groups.firstIndex { group in
          (group["targets"]?.elements ?? []).contains { $0.text == module || $0.text == "Linear" }
        }
        guard let place, let format = formats[place] else { return nil }
        request.exactTypes[ExactName(module + ".weight")] = .packed(format)
      } else if tensor.dtype.isCastable {
        request.exactTypes[ExactName(tensor.name)] = .dtype(tensor.dtype)
      }
    }
    return request
  }
}

extension WeightType {
  /// The dtype, where it is one of floats.
  fileprivate var castDType: DType? {
    if case .dtype(let dtype) = self, dtype.isCastable { dtype } else { nil }
  }
}
