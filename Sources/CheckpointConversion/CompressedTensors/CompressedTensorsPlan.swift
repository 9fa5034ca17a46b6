import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
import TensorModel

/// Writes what vLLM and transformers load with compressed-tensors: a directory of safetensors, and a configuration that says how weights are quantized.
enum CompressedTensorsPlan {
  /// 5 GB, as other safetensors.
  private static let standardSharding = ConversionPlan.Sharding.maximumByteCount(5_000_000_000)

  /// Plans a quantization.
  ///
  /// - Parameters:
  ///   - planner: of the source.
  ///   - request: the scheme, and what is to be different.
  /// - Returns: the plan.
  /// - Throws: `usage` for one file, what `CompressedTensorsWeights` throws.
  static func plan(
    _ planner: Planner, _ request: QuantizationRequest
  ) throws(CheckpointError) -> ConversionPlan {
    guard planner.settings.fileName == nil else {
      throw CheckpointError(
        .usage,
        "\(request.scheme) needs a directory: config.json says how the weights are quantized",
        found: planner.settings.fileName, hint: "name a directory, without .safetensors at the end")
    }
    let model = try CompressedTensorsWeights(planner, request)
    var metadata = try planner.metadata()
    metadata["format"] = metadata["format"] ?? "pt"
    let files = try WeightFiles(
      model.weights, planner.settings.sharding ?? standardSharding,
      metadata: QuantizationMarks(request).added(to: metadata))
    return try planner.plan(
      format: SafetensorsFormat.name, groups: files.groups, weightFiles: files.files,
      sidecars: try sidecars(planner, request, model)
        + (files.files.count > 1 ? [files.index] : []),
      findings: model.findings)
  }

  /// The source's files, and its configuration with what is quantized.
  private static func sidecars(
    _ planner: Planner, _ request: QuantizationRequest, _ model: CompressedTensorsWeights
  ) throws(CheckpointError) -> [ConversionPlan.Sidecar] {
    var sidecars: [ConversionPlan.Sidecar] = []
    for sidecar in try planner.sidecars(for: model.weights.flatMap(\.outputs)) {
      guard sidecar.name == HuggingFaceConfiguration.fileName else {
        sidecars.append(sidecar)
        continue
      }
      let own = try HuggingFaceConfiguration(parsing: sidecar.read(0, sidecar.byteCount))
      let document = try HuggingFaceConfiguration(
        parsing: own.removing(QuantizedWeights.configurationKeys))
      sidecars.append(
        ConversionPlan.Sidecar(
          name: sidecar.name,
          contents: document.setting(
            CompressedTensorsConfiguration.key, to: quantization(request, model))))
    }
    return sidecars
  }

  private static func quantization(
    _ request: QuantizationRequest, _ model: CompressedTensorsWeights
  ) -> JSONValue {
    let modules = model.weights.compactMap { weight in
      weight.format.map {
        (module: StoredWeight.module(of: weight.name), format: $0)
      }
    }
    guard case .packed(let standard) = request.scheme.type else { return .null }
    return CompressedTensorsConfiguration.value(
      standard, modules.filter { $0.format != standard }, ignored: model.ignored)
  }
}
