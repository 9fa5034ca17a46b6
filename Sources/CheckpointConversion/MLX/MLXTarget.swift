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

  static func plan(
    _ planner: Planner, fileName: String?
  ) throws(CheckpointError) -> ConversionPlan {
    guard planner.settings.experts == nil else {
      throw CheckpointError(
        .usage, "mlx-lm's models have one spelling of experts", hint: "leave out --experts")
    }
    let graph = try MLXGraph(planner.source)
    let tensors = try MLXTensors(planner, graph)
    let weights = tensors.weights
    let shards = try Sharder(weights.map(\.byteCount))
      .shards(planner.settings.sharding ?? standardSharding)
    var files: [ConversionPlan.WeightFile] = []
    var groups: [ConversionPlan.OutputGroup] = []
    for (number, members) in shards.enumerated() {
      let outputs = members.flatMap { weights[$0].parts }
      let layout = SafetensorsLayout.layout(
        outputs.map { ($0.name, $0.type) }, metadata: ["format": MLXFormat.name])
      files.append(
        ConversionPlan.WeightFile(
          name: SafetensorsTarget.shardName(number, of: shards.count), layout: layout,
          byteCount: layout.byteCount))
      var places = layout.places[...]
      for weight in members.map({ weights[$0] }) {
        let parts = zip(weight.parts, places).map { output, place in
          ConversionPlan.PlannedTensor(
            name: output.name, type: output.type, expression: output.expression, file: number,
            place: place)
        }
        places = places.dropFirst(parts.count)
        groups.append(
          ConversionPlan.OutputGroup(
            name: weight.name, expression: weight.expression, parts: parts,
            quantization: weight.quantization))
      }
    }
    return try planner.plan(
      format: format.name, groups: groups, weightFiles: files,
      sidecars: try planner.assets() + [
        configuration(planner, graph, weights), index(groups, files, weights),
      ],
      findings: graph.findings + tensors.findings
        + planner.metadataLeftOut(by: format.name, besides: ["format"]))
  }

  private static func configuration(
    _ planner: Planner, _ graph: MLXGraph, _ weights: [MLXTensors.Weight]
  ) -> ConversionPlan.Sidecar {
    var standard: PackedFormat?
    if case .packed(let format) = planner.settings.quantization?.scheme.type { standard = format }
    let dtype = planner.settings.dtype?.torchName
    return ConversionPlan.Sidecar(
      name: HuggingFaceConfiguration.fileName,
      contents: MLXConfiguration(graph).text(
        dtype: dtype, standard: standard, weights.compactMap(\.module)))
  }

  /// There always is one, also for one file.
  private static func index(
    _ groups: [ConversionPlan.OutputGroup], _ files: [ConversionPlan.WeightFile],
    _ weights: [MLXTensors.Weight]
  ) -> ConversionPlan.Sidecar {
    let index = SafetensorsFormat.indexFile(
      groups.flatMap(\.parts).map { ($0.name, files[$0.file].name) },
      totalByteCount: weights.reduce(0) { $0 + $1.byteCount },
      parameterCount: weights.reduce(0) { $0 + $1.elementCount })
    return ConversionPlan.Sidecar(name: index.name, contents: index.contents)
  }
}
