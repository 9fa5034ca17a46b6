import Synchronization

extension Checkpoint {
  /// Where tensors of a name stand, as a table that is made when it is first needed: there can be a million.
  final class Positions: Sendable {
    private let table = Mutex<Table?>(nil)

    /// Makes the table.
    ///
    /// - Throws: `malformed` if two tensors have the same name.
    func find(in tensors: [TensorInfo]) throws(CheckpointError) {
      var made = Table(count: tensors.count)
      for (position, tensor) in tensors.enumerated() {
        if let earlier = made.insert(position, in: tensors) {
          throw CheckpointError(
            .malformed, "the same tensor name twice", file: tensor.file, tensor: tensor.name,
            found: "another one in \(tensors[earlier].file)")
        }
      }
      table.withLock { [made] in $0 = made }
    }

    func position(of name: String, in tensors: [TensorInfo]) -> Int? {
      table.withLock { table in
        if table == nil {
          var made = Table(count: tensors.count)
          for position in tensors.indices { _ = made.insert(position, in: tensors) }
          table = made
        }
        return table?.position(of: ExactName(name), in: tensors)
      }
    }
  }

  /// A hash table of positions alone, whose names are the tensors': a dictionary would have 50 bytes for each.
  private struct Table {
    /// A position and 1, or 0 where there is none; at least half of them are.
    private var slots: [UInt32]

    init(count: Int) {
      var slotCount = 2
      while slotCount < 2 * count { slotCount *= 2 }
      slots = Array(repeating: 0, count: slotCount)
    }

    /// Enters a tensor unless there is one of its name; then returns that one's position.
    mutating func insert(_ position: Int, in tensors: [TensorInfo]) -> Int? {
      let slot = slot(of: ExactName(tensors[position].name), in: tensors)
      guard slots[slot] == 0 else { return Int(slots[slot]) - 1 }
      slots[slot] = UInt32(position) + 1
      return nil
    }

    func position(of name: ExactName, in tensors: [TensorInfo]) -> Int? {
      let slot = slot(of: name, in: tensors)
      return slots[slot] == 0 ? nil : Int(slots[slot]) - 1
    }

    /// The slot that has a name, or where it would go.
    private func slot(of name: ExactName, in tensors: [TensorInfo]) -> Int {
      let mask = slots.count - 1
      var slot = name.hashValue & mask
      while slots[slot] != 0, ExactName(tensors[Int(slots[slot]) - 1].name) != name {
        slot = (slot + 1) & mask
      }
      return slot
    }
  }
}
