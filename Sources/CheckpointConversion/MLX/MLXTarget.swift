import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
import TensorModel

/// Writes what mlx-lm loads: a directory of safetensors with an index, and a configuration of its own.
enum MLXTarget: ConversionTarget {
  static let format: any CheckpointFormat.Type = MLXFormat.self
  static let keepsNames = false

  /// 5 GiB, as mlx-lm has them.
  private static let standardSharding = ConversionPlan.Sharding.maximumByteCount(5 << 30)

  static func isStandard(_ sharding: ConversionPlan.Sharding) -> Bool {
    sharding == standardSharding
  }

  static func plan(
    _ planner: Planner
  ) throws(CheckpointError) -> ConversionPlan {
    guard planner.settings.experts == nil else {
      throw CheckpointError(
        .usage, "mlx-lm's models have one spelling of experts", hint: "leave out --experts")
    }
    let graph = try MLXGraph(planner.source)
    let tensors = try MLXTensors(planner, graph)
    let weights = tensors.weights
    let files = try WeightFiles(
      weights, planner.settings.sharding ?? standardSharding,
      metadata: QuantizationMarks(planner.settings.quantization)
        .added(to: ["format": MLXFormat.name]))
    // There always is an index, also for one file.
    return try planner.plan(
      format: format.name, groups: files.groups, weightFiles: files.files,
      sidecars: try planner.assets() + [configuration(planner, graph, weights), files.index],
      findings: graph.findings + tensors.findings
        + planner.metadataLeftOut(by: format.name, besides: ["format"]))
  }

  private static func configuration(
    _ planner: Planner, _ graph: MLXGraph, _ weights: [StoredWeight]
  ) -> ConversionPlan.Sidecar {
    var standard: PackedFormat?
    let packed = weights.compactMap { weight in
      weight.format.map { (StoredWeight.module(of: weight.parts[0].name), $0) }
    }
    // Without a weight that fits, too, as mlx_lm.convert has it: mlx-lm goes by the scales.
    if case .packed(let format) = planner.settings.quantization?.scheme.type { standard = format }
    let dtype = planner.settings.dtype?.torchName
    return ConversionPlan.Sidecar(
      name: HuggingFaceConfiguration.fileName,
      contents: MLXConfiguration(graph).text(dtype: dtype, standard: standard, packed))
  }
}
