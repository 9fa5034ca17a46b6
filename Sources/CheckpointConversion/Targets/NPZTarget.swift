import CheckpointFormats
import FileContainers
import TensorModel

/// Writes numpy's `.npz`: one file, or a directory with `model.npz` and the files beside it.
enum NPZTarget: ConversionTarget {
  static let format: any CheckpointFormat.Type = NPZFormat.self

  static func plan(
    _ planner: Planner
  ) throws(CheckpointError) -> ConversionPlan {
    guard planner.settings.sharding == nil else {
      throw CheckpointError(
        .usage, "an npz checkpoint is one file",
        hint: "leave out --max-shard-size and --shards, or choose --to safetensors")
    }
    let fileName = planner.settings.fileName
    let outputs = try planner.outputs()
    try Planner.requireNoBlocks(outputs.map { ($0.name, $0.type.dtype) }, in: format.name)
    let layout = try NPZLayout.layout(outputs.map { ($0.name, $0.type) })
    let groups = zip(outputs, layout.places).map { output, place in
      ConversionPlan.OutputGroup(
        ConversionPlan.PlannedTensor(
          name: output.name, type: output.type, expression: output.expression, file: 0,
          place: place))
    }
    return try planner.plan(
      format: format.name, groups: groups,
      weightFiles: [
        ConversionPlan.WeightFile(
          name: fileName ?? NPZFormat.fileName, layout: layout, byteCount: layout.byteCount)
      ],
      sidecars: fileName == nil ? try planner.sidecars(for: outputs) : [],
      leftOut: fileName == nil ? [] : planner.sidecarNames,
      findings: planner.metadataLeftOut(by: format.name))
  }
}
