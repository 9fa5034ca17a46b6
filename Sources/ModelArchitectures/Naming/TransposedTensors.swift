public import TensorModel

extension Architecture {
  /// A matrix that lies the other way than the family's do.
  public struct TransposedTensor: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// Its extents.
    public let found: Shape
    /// Those of the table: the same, exchanged.
    public let expected: Shape
  }

  /// Tensors whose shape isn't the table's, but is it with rows and columns exchanged: values of another framework under PyTorch's names.
  ///
  /// Square matrices don't show it.
  ///
  /// - Parameters:
  ///   - tensors: of a checkpoint, under PyTorch's names, with the model's prefix or without it.
  ///   - dimensions: what the configuration says.
  /// - Returns: the tensors in the order of the table.
  public func transposedTensors(
    _ tensors: [(name: String, shape: Shape)], _ dimensions: Dimensions
  ) -> [TransposedTensor] {
    let shapes = Dictionary(
      tensors.map { (ExactName($0.name), $0.shape) }, uniquingKeysWith: { first, _ in first })
    return self.tensors(dimensions).compactMap { name, expected, _ in
      guard expected.rank == 2, expected.dimensions[0] != expected.dimensions[1] else { return nil }
      let bare = name.split(separator: ".").dropFirst().joined(separator: ".")
      for spelling in bare.contains(".") ? [name, bare] : [name] {
        if let found = shapes[ExactName(spelling)] {
          let isTransposed = found.dimensions == expected.dimensions.reversed()
          return isTransposed
            ? TransposedTensor(name: spelling, found: found, expected: expected) : nil
        }
      }
      return nil
    }
  }
}
