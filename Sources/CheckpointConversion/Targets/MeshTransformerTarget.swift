import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel

/// Writes Mesh-Transformer v1 shards: `step_N/shard_i/k.npz`, with the files beside the weights at the top.
enum MeshTransformerTarget: ConversionTarget {
  static let format: any CheckpointFormat.Type = MeshTransformerFormat.self
  static let keepsNames = false

  /// Tried in this order where nothing says how many shards there shall be; the original has 8.
  private static let usualShardCounts = [8, 4, 2, 1]

  static func plan(
    _ planner: Planner
  ) throws(CheckpointError) -> ConversionPlan {
    let model = try MeshModel(planner)
    let shardCount = try shardCount(planner, model)
    let step = planner.source.checkpoint.trainingStep ?? 0
    guard let step = Int32(exactly: step), step >= 0 else {
      throw CheckpointError(
        .unsupported, "a Mesh-Transformer checkpoint can't hold this training step",
        expected: "0 to \(Int32.max)", found: "\(step)")
    }
    var files: [ConversionPlan.WeightFile] = []
    var tensors: [ConversionPlan.PlannedTensor] = []
    var weights: [Planner.Output] = []
    for shard in 0..<shardCount {
      let parts = try model.parts(shard, of: shardCount)
      weights += parts
      let leaves = parts + [stepLeaf(step, shard)]
      for (piece, range) in MeshNames.pieces(leafCount: leaves.count).enumerated() {
        let layout = try NPZLayout.layout(
          range.enumerated().map { ("arr_\($0)", leaves[$1].type) })
        for (leaf, place) in zip(leaves[range], layout.places) {
          tensors.append(
            ConversionPlan.PlannedTensor(
              name: leaf.name, type: leaf.type, expression: leaf.expression, file: files.count,
              place: place))
        }
        files.append(
          ConversionPlan.WeightFile(
            name: MeshNames.file(step: Int(step), shard: shard, piece: piece), layout: layout,
            byteCount: layout.byteCount))
      }
    }
    return try planner.plan(
      format: format.name, tensors: tensors, weightFiles: files,
      sidecars: try planner.sidecars(for: weights),
      findings: model.leftOut + planner.metadataLeftOut(by: format.name)
        + (shardCount == 2 ? [twoShards] : []))
  }

  private static func stepLeaf(_ step: Int32, _ shard: Int) -> Planner.Output {
    let type = TensorType(.i32, [])
    return Planner.Output(
      name: MeshNames.leaf(MeshNames.step, shard: shard), type: type,
      expression: .fill(FillValue(Double(step)), type))
  }

  /// What was asked for, else what the source has, else what is usual.
  ///
  /// - Throws: `usage` if that doesn't divide heads and vocabulary.
  private static func shardCount(
    _ planner: Planner, _ model: MeshModel
  ) throws(CheckpointError) -> Int {
    let asked: Int?
    switch planner.settings.sharding {
    case .count(let count): asked = count
    case .maximumByteCount:
      throw CheckpointError(
        .usage, "Mesh-Transformer checkpoints are cut into a number of shards, not by size",
        hint: "leave out --max-shard-size, or say --shards \(list(model.shardCounts))")
    case .some(.none), nil: asked = planner.source.meshShardCount
    }
    guard let asked else {
      return usualShardCounts.first { model.shardCounts.contains($0) } ?? 1
    }
    guard model.shardCounts.contains(asked) else {
      throw CheckpointError(
        .usage, "the number of shards doesn't divide the model's heads and vocabulary",
        expected:
          "\(list(model.shardCounts)) for \(model.configuration.heads) heads and \(model.configuration.vocabulary) tokens",
        found: "\(asked)", hint: "say --shards \(list(model.shardCounts))")
    }
    return asked
  }

  private static func list(_ counts: [Int]) -> String {
    guard let last = counts.last, counts.count > 1 else { return "1" }
    return "\(counts.dropLast().map(String.init).joined(separator: ", ")) or \(last)"
  }

  /// With two shards every bias that is cut has one other row, which is equal to itself.
  private static let twoShards = Finding(
    .note, "mesh-two-shards",
    "mesh-transformer-jax's own reshard guesses from values how tensors were cut, and takes every bias of two shards for a copy: it can't restore them. It merges 4 or more shards into 1, and nothing else; reading two shards as two, and weighbridge, are right"
  )
}
