import Synchronization

extension Checkpoint {
  /// Where tensors of a name stand, as a table that is made when it is first needed: there can be a million.
  final class Positions: Sendable {
    private let table = Mutex<[ExactName: Int]?>(nil)

    /// Makes the table.
    ///
    /// - Throws: `malformed` if two tensors have the same name.
    func find(in tensors: [TensorInfo]) throws(CheckpointError) {
      var positions: [ExactName: Int] = [:]
      positions.reserveCapacity(tensors.count)
      for (position, tensor) in tensors.enumerated() {
        if let earlier = positions.updateValue(position, forKey: ExactName(tensor.name)) {
          throw CheckpointError(
            .malformed, "the same tensor name twice", file: tensor.file, tensor: tensor.name,
            found: "another one in \(tensors[earlier].file)")
        }
      }
      table.withLock { [positions] in $0 = positions }
    }

    func position(of name: String, in tensors: [TensorInfo]) -> Int? {
      table.withLock { table in
        if table == nil {
          table = Dictionary(
            tensors.enumerated().map { (ExactName($1.name), $0) },
            uniquingKeysWith: { first, _ in first })
        }
        return table?[ExactName(name)]
      }
    }
  }
}
