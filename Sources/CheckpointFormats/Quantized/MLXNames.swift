import ModelArchitectures
import TensorModel

/// The names that MLX's models have, which begin otherwise for some families; what transformers stores turned, they don't.
struct MLXNames {
  private static let prefixes = ["transformer.", "gpt_neox.", ""]
  /// What layers are called: GPT-NeoX's differ from the published ones.
  private static let layers = ("h.", "layers.")

  private let rows: [ExactName: Architecture.Row]

  /// - Parameter expected: what the family's table has.
  init(_ expected: [Architecture.Tensor]) {
    rows = Dictionary(
      expected.map { (ExactName($0.name), $0.row) }, uniquingKeysWith: { first, _ in first })
  }

  /// The tensors under the published repositories' names, as these have them.
  func published(_ tensors: [CanonicalTensor]) -> [CanonicalTensor] {
    tensors.map { tensor in
      let name = published(tensor.name)
      guard name != tensor.name || isTurned(name) else { return tensor }
      let turns = isTurned(name) && tensor.shape.rank == 2
      return CanonicalTensor(
        name: name, shape: turns ? tensor.shape.transposed : tensor.shape, dtype: tensor.dtype,
        expression: turns ? tensor.expression.transposed : tensor.expression)
    }
  }

  private func published(_ name: String) -> String {
    guard rows[ExactName(name)] == nil, name.hasPrefix("model.") else { return name }
    let rest = String(name.dropFirst("model.".count))
    let (theirs, published) = Self.layers
    let rests =
      rest.hasPrefix(theirs) ? [rest, published + rest.dropFirst(theirs.count)] : [rest]
    return Self.prefixes.lazy.flatMap { prefix in rests.map { prefix + $0 } }
      .first { rows[ExactName($0)] != nil } ?? name
  }

  private func isTurned(_ name: String) -> Bool {
    if case .weight(_, .inOut)? = rows[ExactName(name)]?.role { true } else { false }
  }
}
