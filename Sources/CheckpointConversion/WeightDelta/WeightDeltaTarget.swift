import CheckpointFormats
import FileContainers
import TensorModel

/// Writes trainers' updates: what changed since a base, for receivers that patch their weights.
enum WeightDeltaTarget: ConversionTarget {
  static let format: any CheckpointFormat.Type = WeightDeltaFormat.self
  static let differences = DifferenceUse.always
  static let keepsQuantizedParts = true

  /// 5 GB of tensors a file.
  private static let standardSharding = ConversionPlan.Sharding.maximumByteCount(5_000_000_000)

  static func isStandard(_ sharding: ConversionPlan.Sharding) -> Bool {
    sharding == standardSharding
  }

  static func plan(_ planner: Planner) throws(CheckpointError) -> ConversionPlan {
    guard let base = planner.source.target else {
      throw CheckpointError(
        .usage, "\(format.name) is written as a difference to a base",
        hint: "name the base by --base PATH")
    }
    let outputs = try planner.outputs()
    let positions = try positions(of: outputs, base)
    let digests = try BaseDigests(base, planner.resources)
    let same = try SameTensors(outputs, planner, base, digests).positions
    let isSame = outputs.indices.map { same[$0] == positions[$0] }
    let sizes = outputs.indices.map { isSame[$0] ? 0 : outputs[$0].byteCount }
    let shards = try Sharder(sizes).shards(planner.settings.sharding ?? standardSharding)
    var files: [ConversionPlan.WeightFile] = []
    var tensors: [ConversionPlan.PlannedTensor] = []
    for (number, members) in shards.enumerated() {
      for place in members {
        let output = outputs[place]
        var tensor = ConversionPlan.PlannedTensor(
          name: output.name, type: output.type, expression: output.expression, file: number,
          place: nil)
        tensor.base = digests.tensor(positions[place])
        if isSame[place] { tensor.encoding = .base }
        tensors.append(tensor)
      }
      let changed = members.filter { !isSame[$0] }.map { outputs[$0] }
      files.append(
        ConversionPlan.WeightFile(
          name: WeightDeltaFormat.fileName(number, of: shards.count), layout: nil,
          byteCount: WeightDeltaFile.headerByteCount(changed.map(\.name))
            + changed.reduce(0) { $0 + $1.byteCount + $1.byteCount / 128 + 64 }))
    }
    return try planner.plan(
      format: format.name, tensors: tensors, weightFiles: files, sidecars: [],
      companions: [WeightDeltaFormat.indexName], leftOut: planner.sidecarNames,
      base: StoreManifest.Base(
        root: digests.root, hint: planner.settings.baseHint ?? base.hint))
  }

  /// The base's tensors of the same names.
  ///
  /// - Throws: `unsupported` for what the layout can't tell: other tensors, other dtypes and shapes.
  private static func positions(
    of outputs: [Planner.Output], _ base: BaseCheckpoint
  ) throws(CheckpointError) -> [Int] {
    var positions: [Int] = []
    for output in outputs {
      guard SafetensorsLayout.accepts(name: output.name) else {
        throw cannotTell("a tensor of such a name", output.name)
      }
      guard let position = base.checkpoint.position(of: output.name) else {
        throw cannotTell("a tensor that the base hasn't", output.name)
      }
      // What the base has beside its weights is no part of what is read again.
      guard position < base.modelTensorCount else {
        throw cannotTell("a tensor that the base has beside its weights", output.name)
      }
      let info = base.checkpoint.tensors[position]
      guard output.type == TensorType(info.dtype, info.shape) else {
        var error = cannotTell("a tensor of another dtype or shape than the base's", output.name)
        error.expected = "\(info.dtype.rawValue) \(info.shape)"
        error.found = "\(output.type.dtype.rawValue) \(output.type.shape)"
        throw error
      }
      positions.append(position)
    }
    let written = Set(positions)
    if let gone = (0..<base.modelTensorCount).first(where: { !written.contains($0) }) {
      throw cannotTell(
        "that a tensor of the base isn't there any more", base.checkpoint.tensors[gone].name)
    }
    return positions
  }

  private static func cannotTell(_ what: String, _ tensor: String) -> CheckpointError {
    CheckpointError(
      .unsupported, "\(format.name) can't tell \(what)", tensor: tensor,
      hint: "write a store of differences instead: --to store")
  }

  /// The version that a destination's name says: its last six digits, else the first.
  ///
  /// - Throws: `usage` for version 0, which changes nothing.
  static func version(of destination: String) throws(CheckpointError) -> Int {
    let name = Directories.split(destination).name
    let digits = name.utf8.suffix(6)
    guard digits.count == 6, digits.allSatisfy({ (0x30...0x39).contains($0) }),
      let version = Int(String(decoding: digits, as: UTF8.self))
    else { return 1 }
    guard version > 0 else {
      throw CheckpointError(
        .usage, "version 000000 is the engine's own model, which no update gives",
        file: destination, hint: "choose a name that ends in 000001 or more")
    }
    return version
  }
}
