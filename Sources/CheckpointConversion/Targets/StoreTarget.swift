import CheckpointFormats
import FileContainers
import StoreWriting
import TensorEvaluation
import TensorModel

/// Writes canonical weight stores.
enum StoreTarget: ConversionTarget {
  static let format: any CheckpointFormat.Type = StoreFormat.self
  static let isResharded = true
  static let carriesAttention = true
  static let keepsQuantizedParts = true
  static let differences = DifferenceUse.optional

  /// 4 GB a volume.
  private static let standardSharding = ConversionPlan.Sharding.maximumByteCount(4_000_000_000)

  static func isStandard(_ sharding: ConversionPlan.Sharding) -> Bool {
    sharding == standardSharding
  }
  /// What HDF5 itself takes at most for a volume, and for a dataset beside its contents.
  private static let (volumeOverhead, datasetOverhead) = (16384, 4096)

  static func plan(
    _ planner: Planner
  ) throws(CheckpointError) -> ConversionPlan {
    let outputs = try planner.outputs(as: try exactDTypes(planner))
    var encodings = Self.encodings(outputs, planner)
    let difference = try planner.source.target.map { (base) throws(CheckpointError) in
      guard planner.settings.compression != .uncompressed else { throw uncompressedDifference }
      return try DifferencePlan(outputs, planner, base)
    }
    if let difference {
      for (place, output) in outputs.enumerated() {
        encodings[place] = difference.encoding(of: place, output, otherwise: encodings[place])
      }
    }
    let sizes = zip(outputs, encodings).map { $1 == .base ? 0 : $0.byteCount }
    let shards = try Sharder(sizes)
      .shards(planner.settings.sharding ?? standardSharding)
    var files: [ConversionPlan.WeightFile] = []
    var groups: [ConversionPlan.OutputGroup] = []
    groups.reserveCapacity(outputs.count)
    for (number, members) in shards.enumerated() {
      var byteCount = volumeOverhead
      for place in members {
        let (output, encoding) = (outputs[place], encodings[place])
        guard output.name.utf8.count <= LinkFile.maximumNameByteCount else {
          throw CheckpointError(
            .unsupported, "a tensor's name is too long for a store",
            tensor: "\(output.name.prefix(40))…",
            expected: "at most \(LinkFile.maximumNameByteCount) bytes",
            found: "\(output.name.utf8.count)", hint: "rename the tensor, or convert to safetensors"
          )
        }
        var tensor = ConversionPlan.PlannedTensor(
          name: output.name, type: output.type, expression: output.expression, file: number,
          place: nil)
        tensor.encoding = encoding
        tensor.base = difference?.tensors[place].base
        groups.append(ConversionPlan.OutputGroup(tensor))
        guard encoding != .base else { continue }
        let grid = PlannedDataset(name: output.name, type: output.type, encoding: encoding).grid
        byteCount +=
          datasetOverhead + output.name.utf8.count * 3 + grid.count * (grid.chunkByteCount + 128)
      }
      files.append(
        ConversionPlan.WeightFile(
          name: StoreFormat.volumeName(number), layout: nil, byteCount: byteCount))
    }
    return try planner.plan(
      format: format.name, groups: groups, weightFiles: files,
      sidecars: try planner.sidecars(for: outputs, in: "\(StoreFormat.assetFolder)/"),
      companions: StoreWriter.companions, base: difference?.base)
  }

  private static let uncompressedDifference = CheckpointError(
    .usage, "only compression makes a difference smaller than the tensor itself",
    expected: "zstd", found: "--compression none",
    hint: "leave out --compression none, or leave out --base for a complete store")

  /// How the tensors are stored: compressed or not as was asked for or as the source is, chunks that are copied as they are.
  private static func encodings(
    _ outputs: [Planner.Output], _ planner: Planner
  ) -> [StoreManifest.Encoding] {
    let asked = planner.settings.compression.map { $0 != .uncompressed }
    let source = asked == nil ? planner.source.reader as? StoreReader : nil
    let isCompressed = asked ?? source?.isCompressed ?? true
    return outputs.map { output in
      // A volume is either laid out before its tensors are written or grows with them: a store's large tensors are all of one kind.
      if isCompressed, let kept = source?.encoding(of: output.expression),
        case .chunked(_, let filters) = kept, filters.last == .zstd
      {
        return kept
      }
      return StoreEncoding.encoding(of: output.type, isCompressed: isCompressed)
    }
  }

  /// Dtypes of tensors that `keep` would round: those whose values the source's dtype can't hold stay F32.
  private static func exactDTypes(
    _ planner: Planner
  ) throws(CheckpointError) -> [ExactName: DType] {
    guard planner.settings.dtype == nil else { return [:] }
    return try ExactDTypes.of(planner.tensors(), planner.source.reader, planner.resources)
  }
}

extension StoreReader {
  /// Whether tensors that are worth it are compressed.
  fileprivate var isCompressed: Bool {
    manifest.tensors.contains { $0.encoding != .contiguous }
      || manifest.tensors.allSatisfy {
        StoreEncoding.encoding(of: $0.type, isCompressed: true) == .contiguous
      }
  }

  /// How a tensor is stored that is going to be copied; nil for anything else.
  func encoding(of expression: TensorExpression) -> StoreManifest.Encoding? {
    guard case .stored(let name) = expression, let position = checkpoint.position(of: name) else {
      return nil
    }
    return manifest.tensors[position].encoding
  }
}
