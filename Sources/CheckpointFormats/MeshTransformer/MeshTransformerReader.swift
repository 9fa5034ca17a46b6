import FileContainers
import ModelArchitectures
import TensorModel

/// A Mesh-Transformer v1 checkpoint with any number of shards.
///
/// Stored tensors are the leaves of each shard, as `shard_0/layer_0/~/linear/w`.
final class MeshTransformerReader: CheckpointReader, FamilyReader {
  let checkpoint: Checkpoint
  let layout: MeshLayout
  private let arrays: [NPYArray]
  private let configuration: MeshConfiguration?
  /// The checkpoint's own `config.json`, if that is what `configuration` is from and has Hugging Face's form.
  private let huggingFaceConfiguration: [UInt8]?

  /// Opens the checkpoint below a step folder.
  init(
    _ tree: any FileTree, folder: String, _ options: OpenOptions
  ) throws(CheckpointError) {
    let shards = try MeshShards(
      tree, folder: folder, unpacking: options.unpacking)
    let layout = try MeshLayout(shards)
    var tensors: [TensorInfo] = []
    for (number, leaves) in shards.shards.enumerated() {
      for (leaf, entry) in zip(leaves, layout.leafNames) {
        tensors.append(
          try TensorInfo(
            name: MeshNames.leaf(entry.name, shard: number), dtype: leaf.array.header.dtype,
            shape: leaf.array.header.shape,
            file: leaf.file, role: entry.role))
      }
    }
    let arrays = shards.shards.flatMap { $0.map(\.array) }
    let step = try Self.steps(arrays, tensors)
    var checkpoint = try Checkpoint(
      format: MeshTransformerFormat.name,
      layout:
        "\(counted(shards.shards.count, "shard")), \(layout.isFull ? "with optimizer state" : "slim")\(step.first.map { ", step \($0)" } ?? "")",
      tensors: tensors, files: shards.files)
    checkpoint.findings = shards.findings
    checkpoint.leftOut = shards.leftOut
    checkpoint.trainingStep = step.first
    if Set(step).count > 1 {
      checkpoint.findings.append(
        Finding(
          .warning, "step-differs",
          "shards are from different training steps: \(step.map(String.init).joined(separator: ", "))"
        ))
    }
    var own: [UInt8]?
    if options.configuration == nil && tree.containsFile("config.json")
      && !tree.leadsOut("config.json")
    {
      own = try tree.contents(of: "config.json", limit: OpenOptions.maximumConfigurationByteCount)
      checkpoint.configuration = own
      configuration = Self.configuration(own: own, layout, &checkpoint.findings)
    } else {
      configuration = try Self.configuration(options, layout)
      checkpoint.configuration = options.configuration
    }
    let isHuggingFaces = own.flatMap { try? JSONValue(parsing: $0) }?["model_type"] != nil
    huggingFaceConfiguration = isHuggingFaces && configuration != nil ? own : nil
    if configuration == .gptj6B && checkpoint.configuration == nil {
      checkpoint.findings.append(
        Finding(
          .note, "configuration-inferred",
          "the shapes are GPT-J-6B's: 16 heads, 64 rotary dimensions and 2048 positions are assumed"
        ))
    }
    self.checkpoint = checkpoint
    self.layout = layout
    self.arrays = arrays
  }

  private static func steps(
    _ arrays: [NPYArray], _ tensors: [TensorInfo]
  ) throws(CheckpointError) -> [Int] {
    var steps: [Int] = []
    for (array, tensor) in zip(arrays, tensors) where tensor.role == .step {
      guard array.header.shape.elementCount == 1,
        array.header.dtype == .i32 || array.header.dtype == .i64
      else {
        throw CheckpointError(
          .malformed, "the last leaf is not the training step", file: tensor.file,
          expected: "an I32 scalar", found: "\(array.header.dtype.rawValue) \(array.header.shape)")
      }
      var value: Int64 = 0
      let byteCount = array.header.dtype.blockByteCount
      let failure = withUnsafeMutableBytes(of: &value) { buffer -> CheckpointError? in
        guard let base = buffer.baseAddress else { return nil }
        do throws(CheckpointError) {
          try array.read(
            MatrixRegion(rows: 0..<1, columns: 0..<1),
            into: MatrixBuffer(base: base, rowStride: byteCount))
          return nil
        } catch { return error.in(file: tensor.file, tensor: tensor.name) }
      }
      if let failure { throw failure }
      let little = Int64(littleEndian: value)
      steps.append(byteCount == 4 ? Int(Int32(truncatingIfNeeded: little)) : Int(little))
    }
    return steps
  }

  /// The configuration that was given, checked against the shapes; GPT-J-6B's if the shapes are exactly that.
  private static func configuration(
    _ options: OpenOptions, _ layout: MeshLayout
  ) throws(CheckpointError) -> MeshConfiguration? {
    guard let bytes = options.configuration else {
      return MeshConfiguration.gptj6B.dimensions == layout.dimensions ? .gptj6B : nil
    }
    do throws(CheckpointError) { return try configuration(bytes, layout) } catch {
      throw error.in(file: options.configurationName)
    }
  }

  /// The configuration beside the weights; a finding where it can't be used, because it isn't needed to look at them.
  private static func configuration(
    own bytes: [UInt8]?, _ layout: MeshLayout, _ findings: inout [Finding]
  ) -> MeshConfiguration? {
    guard let bytes else { return nil }
    do throws(CheckpointError) { return try configuration(bytes, layout) } catch {
      findings.append(
        Finding(.warning, "configuration-unusable", error.summary, file: "config.json"))
      return nil
    }
  }

  private static func configuration(
    _ bytes: [UInt8], _ layout: MeshLayout
  ) throws(CheckpointError) -> MeshConfiguration {
    let shapes = layout.dimensions
    let given = try MeshConfiguration(parsing: bytes)
    for (key, says, shows) in [
      ("layers", given.layers, shapes.layers), ("d_model", given.modelWidth, shapes.model),
      ("n_vocab", given.vocabulary, shapes.vocabulary),
    ] where says != shows {
      throw CheckpointError(
        .usage, "the configuration doesn't fit the checkpoint's shapes",
        expected: "\(key) \(shows), which the shapes of \(layout.shardCount) shards prove",
        found: "\(says)")
    }
    return given
  }

  var familyName: String? { MeshLayout.architecture.name }

  func confirm(_ position: Int) throws(CheckpointError) {
    do throws(CheckpointError) { try arrays[position].contents.confirm() } catch {
      let tensor = checkpoint.tensors[position]
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    do throws(CheckpointError) { try arrays[position].read(region, into: destination) } catch {
      let tensor = checkpoint.tensors[position]
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    var values: [String: TensorExpression] = [:]
    var addedRows: [String: TensorExpression] = [:]
    var dtypes: [String: DType] = [:]
    for (place, entry) in layout.leaves.enumerated() {
      let parts = (0..<layout.shardCount).map {
        TensorExpression.stored(MeshNames.leaf(entry.name, shard: $0))
      }
      let whole = entry.leaf.whole(parts)
      func named(_ name: String) -> String {
        entry.layer.map { name.replacing("{i}", with: String($0)) } ?? name
      }
      switch entry.leaf.use {
      case .tensor(let name):
        values[named(name)] = whole
        dtypes[named(name)] = arrays[layout.parameterOffset + place].header.dtype
      case .transposed(let name):
        values[named(name)] = .transpose(whole)
        dtypes[named(name)] = arrays[layout.parameterOffset + place].header.dtype
      case .addedToRows(let name): addedRows[named(name)] = whole
      }
    }
    return MeshLayout.architecture.tensors(layout.dimensions).compactMap { tensor in
      let name = tensor.name
      guard let value = values[name], let dtype = dtypes[name] else { return nil }
      let expression = addedRows[name].map { .addRow(value, row: $0) } ?? value
      return CanonicalTensor(
        name: name, shape: tensor.shape, dtype: dtype, expression: expression)
    }
  }

  func makeHuggingFaceConfiguration() throws(CheckpointError) -> [UInt8]? {
    guard let configuration else {
      throw CheckpointError(
        .usage,
        "a Mesh-Transformer checkpoint doesn't say how many heads, rotary dimensions and positions the model has",
        hint:
          "complete this JSON (the nulls) and pass it with --config FILE, or pass the file the model was trained with:",
        hintLines: MeshConfiguration.template(layout.dimensions, shards: layout.shardCount)
          .split(separator: "\n").map(String.init))
    }
    if let huggingFaceConfiguration { return huggingFaceConfiguration }
    return configuration.huggingFaceConfiguration(
      dtype: arrays[layout.parameterOffset + 1].header.dtype)
  }

  func contentFindings() throws(CheckpointError) -> [Finding] {
    try MeshFindings(self, layout).findings()
  }
}
