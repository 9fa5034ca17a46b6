import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
import TensorEvaluation
import TensorModel

/// Writes Hugging Face safetensors: one file, or shards with an index.
enum SafetensorsTarget: ConversionTarget {
  static let format: any CheckpointFormat.Type = SafetensorsFormat.self
  static let keepsQuantizedParts = true
  static let isResharded = true

  /// 5 GB, which is what the Hub's own tools make.
  private static let standardSharding = ConversionPlan.Sharding.maximumByteCount(5_000_000_000)

  static func isStandard(_ sharding: ConversionPlan.Sharding) -> Bool {
    sharding == standardSharding
  }

  static func plan(
    _ planner: Planner
  ) throws(CheckpointError) -> ConversionPlan {
    if let request = planner.settings.quantization {
      return try CompressedTensorsPlan.plan(planner, request)
    }
    let outputs = try planner.outputs()
    if let output = outputs.first(where: { !SafetensorsLayout.accepts(name: $0.name) }) {
      throw CheckpointError(
        .unsupported, "safetensors can't have a tensor of this name", tensor: output.name,
        hint: "a store can: --to store")
    }
    try Planner.requireNoBlocks(outputs.map { ($0.name, $0.type.dtype) }, in: format.name)
    let sizes = outputs.map(\.byteCount)
    let sharding = planner.settings.sharding ?? standardSharding
    let fileName = planner.settings.fileName
    let shards = try Sharder(sizes).shards(fileName == nil ? sharding : .none)
    var metadata = try planner.metadata()
    if metadata["format"] == nil { metadata["format"] = ParameterNaming.pytorch.rawValue }
    var files: [ConversionPlan.WeightFile] = []
    var groups: [ConversionPlan.OutputGroup] = []
    groups.reserveCapacity(outputs.count)
    for (number, members) in shards.enumerated() {
      let layout = SafetensorsLayout.layout(
        members.map { (outputs[$0].name, outputs[$0].type) }, metadata: metadata)
      files.append(
        ConversionPlan.WeightFile(
          name: fileName ?? shardName(number, of: shards.count, planner.source), layout: layout,
          byteCount: layout.byteCount))
      for (member, place) in zip(members, layout.places) {
        groups.append(
          ConversionPlan.OutputGroup(
            ConversionPlan.PlannedTensor(
              name: outputs[member].name, type: outputs[member].type,
              expression: outputs[member].expression, file: number, place: place)))
      }
    }
    guard fileName == nil else {
      return try planner.plan(
        format: format.name, groups: groups, weightFiles: files, sidecars: [],
        leftOut: planner.sidecarNames)
    }
    var sidecars = try planner.sidecars(for: outputs)
    if shards.count > 1 {
      sidecars.append(
        .index(
          of: groups, in: files, totalByteCount: sizes.reduce(0, +),
          parameterCount: outputs.reduce(0) { $0 + $1.type.shape.elementCount }))
    }
    return try planner.plan(
      format: format.name, groups: groups, weightFiles: files, sidecars: sidecars)
  }

  static func replanned(
    _ other: Source, like written: Source, statistics: InputStatistics,
    _ resources: EvaluationResources
  ) throws(CheckpointError) -> Replanned? {
    try CompressedTensorsPlan.replanned(
      other, like: written, statistics: statistics, resources)
  }

  /// `model.safetensors`, or `model-00001-of-00003.safetensors`.
  static func shardName(_ number: Int, of count: Int) -> String {
    count == 1
      ? "model.safetensors"
      : "model-\(number + 1, digits: 5)-of-\(count, digits: 5).safetensors"
  }

  /// The same; PEFT looks for adapters by another name.
  private static func shardName(_ number: Int, of count: Int, _ source: Source) -> String {
    count == 1 && isAdapter(source)
      ? "adapter_model.safetensors" : shardName(number, of: count)
  }

  /// Whether a directory, archive or store holds the weights of an adapter, and of no model.
  private static func isAdapter(_ source: Source) -> Bool {
    let checkpoint = source.checkpoint
    guard !checkpoint.assets.contains(where: { $0.name == "adapter_model.safetensors" }) else {
      return false
    }
    if checkpoint.format == StoreFormat.name {
      return checkpoint.configuration == nil
        && checkpoint.assets.contains { $0.name == "adapter_config.json" }
    }
    guard checkpoint.files.count == 1, let name = checkpoint.files.first?.name else { return false }
    // A file that is named itself is a model of which nothing more is known.
    return ["adapter_model.safetensors", "adapter_model.bin"].contains(name)
      && Directories.split(source.path).name != name
  }
}
