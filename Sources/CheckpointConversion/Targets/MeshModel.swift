import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel

/// A source that turned out to be a GPT-J of which Mesh-Transformer shards can be made.
struct MeshModel {
  /// Heads, and what shapes depend on.
  let configuration: MeshConfiguration
  /// Tensors of the source that the format has no place for.
  let leftOut: [Finding]
  private let planner: Planner
  private let table: MeshTable
  private let tensors: [ExactName: CanonicalTensor]

  private static let architecture = Architecture.gptj

  /// Finds all tensors of the model in a source, and checks them.
  ///
  /// - Throws: `usage` if nothing says how many heads there are; `unsupported` for anything but a GPT-J of floats; `missing` and `malformed`
  ///   for tensors that aren't there or of another shape.
  init(_ planner: Planner) throws(CheckpointError) {
    self.planner = planner
    guard let table = Self.architecture.mesh else {
      throw CheckpointError(.unsupported, "\(Self.architecture.name) has no Mesh layout")
    }
    self.table = table
    let model = try planner.source.model()
    let canonical = model.tensors
    configuration = try Self.configuration(planner.source, canonical)
    // Without a configuration nobody has looked at names and shapes yet.
    let named = Dictionary(
      canonical.map { (model.fullName(of: $0.name), $0) }, uniquingKeysWith: { first, _ in first })
    var tensors: [ExactName: CanonicalTensor] = [:]
    for expected in Self.architecture.tensors(configuration.dimensions) {
      guard let tensor = model.placed[expected.place] ?? named[ExactName(expected.name)] else {
        throw CheckpointError(
          .missing, "a GPT-J has this tensor, the source doesn't", tensor: expected.name,
          hint: "Mesh-Transformer checkpoints hold GPT-J models only, and all of their tensors")
      }
      try Self.check(tensor, expected.shape, planner.settings.dtype)
      tensors[ExactName(expected.name)] = tensor
    }
    self.tensors = tensors
    let used = Set(tensors.values.map { ExactName($0.name) })
    leftOut = canonical.filter { !used.contains(ExactName($0.name)) }.map {
      Self.leftOut($0.name)
    }
  }

  private static func configuration(
    _ source: Source, _ tensors: [CanonicalTensor]
  ) throws(CheckpointError) -> MeshConfiguration {
    guard let bytes = try source.huggingFaceConfiguration() else {
      let embedding = tensors.first { $0.name == "transformer.wte.weight" && $0.shape.rank == 2 }
      guard let extents = embedding?.shape.dimensions else {
        throw CheckpointError(
          .unsupported, "the source isn't known to be a GPT-J, the only model of this format",
          tensor: "transformer.wte.weight", expected: "a matrix of that name", found: "none")
      }
      let layers = tensors.count { $0.name.hasSuffix(".attn.q_proj.weight") }
      throw CheckpointError(
        .usage, "the source doesn't say how many heads the model has",
        hint:
          "pass the model's config.json with --config FILE, or complete this JSON (the nulls) and pass that:",
        hintLines: MeshConfiguration.template(
          .init(layers: layers, model: extents[1], inner: 4 * extents[1], vocabulary: extents[0]),
          shards: usualShardCount
        ).split(separator: "\n").map(String.init))
    }
    do throws(CheckpointError) { return try MeshConfiguration(parsing: bytes) } catch {
      throw error.in(file: source.checkpoint.configuration == nil ? nil : "config.json")
    }
  }

  /// What GPT-J-6B has.
  private static let usualShardCount = 8

  private static func check(
    _ tensor: CanonicalTensor, _ shape: Shape, _ asked: DType?
  ) throws(CheckpointError) {
    guard tensor.shape == shape else {
      throw CheckpointError(
        .malformed, "wrong shape for a GPT-J of this configuration", tensor: tensor.name,
        expected: "\(shape)", found: "\(tensor.shape)",
        hint: "is it the configuration of another model?")
    }
    if asked == nil {
      try Planner.requireNoBlocks([(tensor.name, tensor.dtype)], in: MeshTransformerFormat.name)
    }
    guard [.f32, .f16, .bf16].contains(asked ?? tensor.dtype), tensor.dtype.hasFloatValues else {
      throw CheckpointError(
        .unsupported, "Mesh-Transformer checkpoints hold F32, F16 and BF16 weights only",
        tensor: tensor.name, found: tensor.dtype.rawValue,
        hint: tensor.dtype.hasFloatValues
          ? "choose one with --dtype f32, f16 or bf16"
          : "start from a checkpoint of float weights")
    }
  }

  private static func leftOut(_ name: String) -> Finding {
    Finding(.warning, "tensor-left-out", "left out: no part of a GPT-J", tensor: name)
  }

  /// The numbers of shards that can be made.
  var shardCounts: [Int] {
    (1...configuration.heads).filter {
      configuration.heads % $0 == 0 && configuration.vocabulary % $0 == 0
    }
  }

  /// The parameters of one shard, in the order of the files.
  ///
  /// - Throws: what `Planner.expression` throws.
  func parts(_ shard: Int, of count: Int) throws(CheckpointError) -> [Planner.Output] {
    let checkpoint = planner.source.checkpoint
    var parts: [Planner.Output] = []
    for (name, leaf, layer) in table.leaves(layers: configuration.layers) {
      let tensorName = layer.map { leaf.tensorName.replacing("{i}", with: String($0)) }
      guard let tensor = tensors[ExactName(tensorName ?? leaf.tensorName)] else { continue }
      let dtype = planner.settings.dtype ?? tensor.dtype
      // Blocks can't be taken apart, values can.
      let weights: TensorExpression =
        tensor.dtype.isBlockQuantized ? .cast(tensor.expression, .f32) : tensor.expression
      let part = try leaf.part(
        shard, of: count, weights, configuration.dimensions, dtype
      ) { checkpoint.type(of: $0) }
      guard let part, let shape = leaf.shardShape(configuration.dimensions, shards: count) else {
        throw CheckpointError(.usage, "can't be cut into \(count) shards", tensor: tensor.name)
      }
      let leafName = MeshNames.leaf(name, shard: shard)
      parts.append(
        Planner.Output(
          name: leafName, type: TensorType(dtype, shape),
          expression: try Planner.expression(
            of: CanonicalTensor(name: leafName, shape: shape, dtype: dtype, expression: part),
            as: dtype, in: checkpoint)))
    }
    return parts
  }
}
