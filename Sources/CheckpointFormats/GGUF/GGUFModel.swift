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
    var unused: [ExactName: TensorInfo] = [:]
    for tensor in checkpoint.tensors { unused[ExactName(tensor.name)] = tensor }
    for tensor in architecture.tensors(configuration.dimensions)
      + architecture.headTensors(configuration.dimensions)
    {
      let (role, shape) = (tensor.row.role, tensor.shape)
      let storedName = role.ggufName(layer: tensor.layer)
      guard let stored = unused.removeValue(forKey: ExactName(storedName)) else { continue }
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
    for layer in 0..<configuration.dimensions.layers {
      for projection in table.zeroBiases {
        let name = DecoderRole.bias(projection).ggufName(layer: layer)
        if unused.removeValue(forKey: ExactName(name)) != nil { zeroBiases.append(name) }
      }
    }
    // Part of the configuration, and compared with it.
    if table.hasRotaryDivisors {
      unused[ExactName(GGUFRotaryKeys.divisors)] = nil
    }
    for tensor in checkpoint.tensors where unused[ExactName(tensor.name)] != nil {
      tensors.append(
        CanonicalTensor(
          name: tensor.name, shape: tensor.shape, dtype: tensor.dtype,
          expression: .stored(tensor.name)))
    }
  }

  private static func mapped(
    _ stored: TensorInfo, _ role: DecoderRole, _ table: GGUFTable,
    _ configuration: DecoderConfiguration
  ) -> TensorExpression {
    var expression = TensorExpression.stored(stored.name)
    if let permutation = role.projection.flatMap({ table.permutation($0, configuration) }) {
      expression = .permuteRows(expression, permutation.inverse)
    }
    guard role.isTransposedInGGUF else { return expression }
    // Blocks lie along rows: what is transposed has to be values.
    return .transpose(stored.dtype.isBlockQuantized ? .cast(expression, .f32) : expression)
  }
}
