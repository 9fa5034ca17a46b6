import TensorModel

/// Rows of tokens that go through the decoder together, each seeing only itself.
public struct Sequences: Sendable {
  /// One row of tokens.
  public struct Sequence: Sendable, Hashable {
    /// Where its new tokens begin among all rows of the batch.
    public let firstRow: Int
    /// The number of new tokens.
    public let count: Int
    /// Tokens that came before, whose keys and values are kept.
    public let start: Int
    /// The first tokens that see each other.
    public let prefix: Int
  }

  /// The sequences.
  public let all: [Sequence]
  /// The position of each row, from 0.
  public let positions: [Int]
  /// Sequences of these lengths.
  ///
  /// - Parameters:
  ///   - counts: new tokens of each.
  ///   - starts: tokens that came before.
  ///   - prefix: the first tokens of each that see each other.
  public init(_ counts: [Int], starts: [Int]? = nil, prefix: Int = 0) {
    self.init(counts, starts: starts, prefixes: counts.map { _ in prefix })
  }

  /// Sequences of these lengths, each with a prefix of its own.
  ///
  /// - Parameters:
  ///   - counts: new tokens of each.
  ///   - starts: tokens that came before.
  ///   - prefixes: of each the first tokens that see each other.
  public init(_ counts: [Int], starts: [Int]? = nil, prefixes: [Int]) {
    var row = 0
    var all: [Sequence] = []
    var positions: [Int] = []
    for (number, count) in counts.enumerated() {
      let start = starts?[number] ?? 0
      all.append(
        Sequence(firstRow: row, count: count, start: start, prefix: prefixes[number]))
      positions += start..<start + count
      row += count
    }
    self.all = all
    self.positions = positions
  }

  /// New tokens of all sequences.
  public var rowCount: Int { positions.count }
}

/// Keys and values of one layer: of all tokens so far if they are kept, else of those at hand.
final class LayerCache: @unchecked Sendable {
  // Appended to by one thread, between the others' reading.
  private(set) var keys: [FloatBuffer] = []
  private(set) var values: [FloatBuffer] = []
  private var capacity: [Int] = []

  /// Appends new rows, `[rows, width]`, to those of their sequences.
  ///
  /// - Throws: `inputOutput` without memory.
  func append(
    _ key: FloatBuffer, _ value: FloatBuffer, _ sequences: Sequences, width: Int
  ) throws(CheckpointError) {
    for (number, sequence) in sequences.all.enumerated() {
      if number == keys.count {
        keys.append(FloatBuffer())
        values.append(FloatBuffer())
        capacity.append(0)
      }
      let total = sequence.start + sequence.count
      if total > capacity[number] {
        // Twice as much, so that token after token costs little.
        let room = sequence.start == 0 ? total : max(total, 2 * capacity[number])
        for list in [\LayerCache.keys, \LayerCache.values] {
          let larger = try FloatBuffer(room * width)
          if sequence.start > 0 {
            larger.base.update(
              from: self[keyPath: list][number].base, count: sequence.start * width)
          }
          if list == \LayerCache.keys { keys[number] = larger } else { values[number] = larger }
        }
        capacity[number] = room
      }
      let from = sequence.firstRow * width
      (keys[number].base + sequence.start * width).update(
        from: key.base + from, count: sequence.count * width)
      (values[number].base + sequence.start * width).update(
        from: value.base + from, count: sequence.count * width)
    }
  }
}

/// Buffers that all layers use one after the other.
///
/// `@unchecked Sendable`: filled by one thread, or by several at rows of their own.
final class Room: @unchecked Sendable {
  let slab = FloatBuffer()
  let fused = FloatBuffer()
  let query = FloatBuffer()
  let key = FloatBuffer()
  let value = FloatBuffer()
  let mixed = FloatBuffer()
  let normed = FloatBuffer()
  let inner = FloatBuffer()
  let gate = FloatBuffer()
  let gathered = FloatBuffer()
  let scores: [FloatBuffer]
  /// Is told of what linear layers are applied to.
  let observer: (any LinearObserver)?

  init(workers: Int, observer: (any LinearObserver)?) {
    scores = (0..<workers).map { _ in FloatBuffer() }
    self.observer = observer
  }
}
