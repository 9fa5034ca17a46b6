import CheckpointFormats
import FileContainers
import TensorModel

/// Safetensors files of weights of which some are several tensors; parts of a weight stand in one file.
struct WeightFiles {
  /// The files.
  private(set) var files: [ConversionPlan.WeightFile] = []
  /// The weights in the order of the files.
  private(set) var groups: [ConversionPlan.OutputGroup] = []
  /// The file of all tensors, `model.safetensors.index.json`.
  let index: ConversionPlan.Sidecar

  /// Lays files out.
  ///
  /// - Parameters:
  ///   - weights: in order.
  ///   - sharding: how large files may become.
  ///   - metadata: of each file.
  /// - Throws: `usage` for a sharding that can't be.
  init(
    _ weights: [StoredWeight], _ sharding: ConversionPlan.Sharding,
    metadata: [ExactName: String]
  ) throws(CheckpointError) {
    let shards = try Sharder(weights.map(\.byteCount)).shards(sharding)
    for (number, members) in shards.enumerated() {
      let outputs = members.flatMap { weights[$0].outputs }
      let layout = SafetensorsLayout.layout(
        outputs.map { ($0.name, $0.type) }, metadata: metadata)
      files.append(
        ConversionPlan.WeightFile(
          name: SafetensorsTarget.shardName(number, of: shards.count), layout: layout,
          byteCount: layout.byteCount))
      var places = layout.places[...]
      for weight in members.map({ weights[$0] }) {
        let tensors = zip(weight.outputs, places).map { output, place in
          ConversionPlan.PlannedTensor(
            name: output.name, type: output.type, expression: output.expression, file: number,
            place: place)
        }
        places = places.dropFirst(tensors.count)
        let parts = Array(tensors.prefix(weight.parts.count))
        groups.append(
          ConversionPlan.OutputGroup(
            name: weight.name, expression: weight.expression, parts: parts,
            rowParts: weight.rowParts, quantization: weight.quantization))
        groups += tensors.dropFirst(parts.count).map { .init(companion: $0) }
      }
    }
    index = .index(
      of: groups, in: files, totalByteCount: weights.reduce(0) { $0 + $1.byteCount },
      parameterCount: weights.reduce(0) { $0 + $1.elementCount })
  }
}

extension ConversionPlan.Sidecar {
  /// `model.safetensors.index.json`.
  ///
  /// - Parameters:
  ///   - groups: in the order of the files that their tensors are in.
  ///   - files: the weight files.
  ///   - totalByteCount: bytes of all tensors.
  ///   - parameterCount: elements of all weights.
  /// - Returns: the file.
  static func index(
    of groups: [ConversionPlan.OutputGroup], in files: [ConversionPlan.WeightFile],
    totalByteCount: Int, parameterCount: Int
  ) -> ConversionPlan.Sidecar {
    let fileNames = files.map(\.name)
    return ConversionPlan.Sidecar(name: SafetensorsFormat.indexFileName) {
      // The plan has the same groups; names of their own would be kept as long as it.
      SafetensorsFormat.indexFile(
        groups.flatMap { $0.parts.map { ($0.name, fileNames[$0.file]) } },
        totalByteCount: totalByteCount, parameterCount: parameterCount)
    }
  }
}
