/// Finds pieces by their bytes: a tree whose edges are in one hash table.
///
/// A node is a number; node 0 is the root.
struct PieceTrie: Sendable, Hashable {
  /// Of each slot of the table: the node it leaves and its byte, plus one; 0 where it is free.
  private var keys: [UInt64]
  /// Of each slot: the node it leads to.
  private var targets: [UInt32]
  /// The piece that ends at a node; -1 where none does.
  private(set) var values: [Int32] = [-1]
  private var edgeCount = 0
  private var shift: UInt64

  /// A tree without pieces.
  init() {
    keys = [UInt64](repeating: 0, count: 16)
    targets = [UInt32](repeating: 0, count: 16)
    shift = 60
  }

  /// Whether there are no pieces.
  var isEmpty: Bool { values.count == 1 }

  private func slot(_ key: UInt64) -> Int { Int((key &* 0x9e37_79b9_7f4a_7c15) >> shift) }

  /// The node that a byte leads to; nil if no piece goes on so.
  func child(_ node: UInt32, _ byte: UInt8) -> UInt32? {
    let key = UInt64(node) << 8 | UInt64(byte) + 1
    var slot = slot(key)
    while keys[slot] != 0 {
      if keys[slot] == key { return targets[slot] }
      slot = (slot + 1) & (keys.count - 1)
    }
    return nil
  }

  /// Adds a piece; of two of the same bytes the last stays.
  mutating func insert(_ piece: some Sequence<UInt8>, value: Int32) {
    var node: UInt32 = 0
    for byte in piece {
      if let next = child(node, byte) {
        node = next
        continue
      }
      let next = UInt32(values.count)
      values.append(-1)
      if 2 * (edgeCount + 1) > keys.count { grow() }
      store(UInt64(node) << 8 | UInt64(byte) + 1, next)
      edgeCount += 1
      node = next
    }
    values[Int(node)] = value
  }

  private mutating func store(_ key: UInt64, _ target: UInt32) {
    var slot = slot(key)
    while keys[slot] != 0 { slot = (slot + 1) & (keys.count - 1) }
    keys[slot] = key
    targets[slot] = target
  }

  private mutating func grow() {
    let (oldKeys, oldTargets) = (keys, targets)
    keys = [UInt64](repeating: 0, count: 2 * oldKeys.count)
    targets = [UInt32](repeating: 0, count: 2 * oldKeys.count)
    shift -= 1
    for (key, target) in zip(oldKeys, oldTargets) where key != 0 { store(key, target) }
  }

  /// The piece of exactly these bytes.
  func value(of bytes: ArraySlice<UInt8>) -> Int? {
    var node: UInt32 = 0
    for byte in bytes {
      guard let next = child(node, byte) else { return nil }
      node = next
    }
    let value = values[Int(node)]
    return value < 0 ? nil : Int(value)
  }

  /// How many bytes the longest piece has that stands at a place; nil if none does.
  func longestPrefix(of bytes: [UInt8], at start: Int) -> Int? {
    var node: UInt32 = 0
    var longest: Int?
    var index = start
    while index < bytes.count, let next = child(node, bytes[index]) {
      node = next
      index += 1
      if values[Int(node)] >= 0 { longest = index - start }
    }
    return longest
  }
}
