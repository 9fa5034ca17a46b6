import FileContainers
import ModelArchitectures
import TensorModel

/// A GGUF file's tensors under Hugging Face's names, in its order of rows, and the other way up where it has them so.
struct GGUFModel {
  /// In the order of the family's table; other tensors follow under their own names.
  private(set) var tensors: [CanonicalTensor] = []
  /// Biases of the graph that the family doesn't have: they must be zero.
  private(set) var zeroBiases: [String] = []

  /// Maps the tensors.
  ///
  /// - Parameters:
  ///   - checkpoint: as it is stored.
  ///   - architecture: the family.
  ///   - table: its layout in GGUF files.
  ///   - configuration: of the model.
  /// - Throws: `malformed` for expressions that don't fit what is stored.
  init(
    _ checkpoint: Checkpoint, _ architecture: Architecture, _ table: GGUFTable,
    _ configuration: DecoderConfiguration
  ) throws(CheckpointError) {
    let dimensions = configuration.dimensions
    var stored: [ExactName: TensorInfo] = [:]
    for tensor in checkpoint.tensors { stored[ExactName(tensor.name)] = tensor }
    var used: Set<ExactName> = []
    let stacks = try Self.stacks(stored, architecture, table, dimensions, checkpoint)
    let isMXFP4 = stored.values.contains { $0.dtype == .mxfp4 }
    let spelling =
      architecture.spellings.contains(.mxfp4) && isMXFP4
      ? .mxfp4
      : nil
        as Architecture.ExpertSpelling?
    for tensor in architecture.tensors(dimensions, spelling)
      + architecture.headTensors(dimensions)
    {
      let (role, shape) = (tensor.row.role, tensor.shape)
      if tensor.isStackedInGGUF {
        used.formUnion(
          role.ggufRoles.map { ExactName(table.name(of: $0, layer: tensor.layer, dimensions)) })
        if let found = try stacks.tensor(tensor) { tensors.append(found) }
        continue
      }
      let name = ExactName(table.name(of: role, layer: tensor.layer, dimensions))
      guard used.insert(name).inserted, let stored = stored[name] else { continue }
      let storedShape = role.isTransposedInGGUF ? Shape(shape.dimensions.reversed()) : shape
      // What has another shape can't be put in order; it is found out about under its name.
      let mapped =
        stored.shape == storedShape
        ? Self.mapped(stored, role, table, configuration) : .stored(stored.name)
      tensors.append(
        CanonicalTensor(
          name: tensor.name, shape: stored.shape == storedShape ? shape : stored.shape,
          dtype: try mapped.type(stored: checkpoint.type).dtype, expression: mapped))
    }
    for layer in 0..<dimensions.layers {
      for projection in table.zeroBiases {
        let name = table.name(of: .bias(projection), layer: layer, dimensions)
        guard stored[ExactName(name)] != nil else { continue }
        used.insert(ExactName(name))
        zeroBiases.append(name)
      }
    }
    // Part of the configuration, and compared with it.
    used.formUnion(table.rotaryTensorNames.map { ExactName($0) })
    for tensor in checkpoint.tensors where !used.contains(ExactName(tensor.name)) {
      tensors.append(
        CanonicalTensor(
          name: tensor.name, shape: tensor.shape, dtype: tensor.dtype,
          expression: .stored(tensor.name)))
    }
  }

  /// What layers have several of: one tensor each in the file.
  private static func stacks(
    _ stored: [ExactName: TensorInfo], _ architecture: Architecture, _ table: GGUFTable,
    _ dimensions: Architecture.Dimensions, _ checkpoint: Checkpoint
  ) throws(CheckpointError) -> StackedTensors {
    var placed: [DecoderPlace: CanonicalTensor] = [:]
    for tensor in architecture.tensors(dimensions) where tensor.isStackedInGGUF {
      for role in tensor.row.role.ggufRoles where tensor.number ?? 0 == 0 {
        let name = table.name(of: role, layer: tensor.layer, dimensions)
        guard let found = stored[ExactName(name)] else { continue }
        placed[DecoderPlace(role, tensor.layer)] = CanonicalTensor(
          name: name, shape: found.shape, dtype: found.dtype, expression: .stored(name))
      }
    }
    return StackedTensors(placed, checkpoint)
  }

  private static func mapped(
    _ stored: TensorInfo, _ role: DecoderRole, _ table: GGUFTable,
    _ configuration: DecoderConfiguration
  ) -> TensorExpression {
    var expression = TensorExpression.stored(stored.name)
    if let permutation = role.projection.flatMap({ table.permutation($0, configuration) }) {
      expression = .permuteRows(expression, permutation.inverse)
    }
    if configuration.addsOneToNorms, case .normScale = role {
      // The file has 1 + weight.
      return expression.adding(-1, stored.shape)
    }
    guard role.isTransposedInGGUF else { return expression }
    // Blocks lie along rows: what is transposed has to be values.
    return .transpose(stored.dtype.isBlockQuantized ? .cast(expression, .f32) : expression)
  }
}
