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
  /// - Throws: `malformed` for tensors of shapes that don't fit it.
  init(
    _ checkpoint: Checkpoint, _ architecture: Architecture, _ table: GGUFTable,
    _ configuration: DecoderConfiguration
  ) throws(CheckpointError) {
    var unused: [ExactName: TensorInfo] = [:]
    for tensor in checkpoint.tensors { unused[ExactName(tensor.name)] = tensor }
    for (name, shape, row, layer) in architecture.placedTensors(configuration.dimensions) {
      let storedName = row.role.ggufName(layer: layer)
      guard let stored = unused.removeValue(forKey: ExactName(storedName)) else { continue }
      let storedShape = row.role.isTransposedInGGUF ? Shape(shape.dimensions.reversed()) : shape
      guard stored.shape == storedShape else {
        throw CheckpointError(
          .malformed, "a tensor of another shape than the metadata say", file: stored.file,
          tensor: storedName, expected: "\(storedShape), as '\(name)'", found: "\(stored.shape)")
      }
      let mapped = Self.mapped(stored, row.role, table, configuration)
      tensors.append(
        CanonicalTensor(
          name: name, shape: shape,
          dtype: try mapped.type(stored: checkpoint.type).dtype, expression: mapped))
    }
    for layer in 0..<configuration.dimensions.layers {
      for projection in table.zeroBiases {
        let name = DecoderRole.bias(projection).ggufName(layer: layer)
        if unused.removeValue(forKey: ExactName(name)) != nil { zeroBiases.append(name) }
      }
    }
    // Part of the configuration, and compared with it.
    if table.architecture == GGUFRotaryKeys.graphWithDivisors {
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
