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
  /// Rows of a sequence within a buffer, which others may have rows in, too.
  private struct Rows {
    let keys: FloatBuffer
    let values: FloatBuffer
    /// Where its first element lies.
    let first: Int
    /// How many rows it has room for.
    let capacity: Int
  }

  // Appended to by one thread, between the others' reading.
  private var sequences: [Rows] = []

  /// Keys of a sequence, `[tokens, width]`.
  func keys(_ number: Int) -> UnsafeMutablePointer<Float> {
    sequences[number].keys.base + sequences[number].first
  }

  /// Values of a sequence, `[tokens, width]`.
  func values(_ number: Int) -> UnsafeMutablePointer<Float> {
    sequences[number].values.base + sequences[number].first
  }

  /// Appends new rows, `[rows, width]`, to those of their sequences.
  ///
  /// - Throws: `inputOutput` without memory.
  func append(
    _ key: FloatBuffer, _ value: FloatBuffer, _ new: Sequences, width: Int
  ) throws(CheckpointError) {
    // One buffer for all that begin: there may be thousands of a few tokens.
    if sequences.isEmpty, !new.all.isEmpty {
      let (keys, values) = (
        try FloatBuffer(new.rowCount * width), try FloatBuffer(new.rowCount * width)
      )
      sequences = new.all.map {
        Rows(keys: keys, values: values, first: $0.firstRow * width, capacity: $0.count)
      }
    }
    for (number, sequence) in new.all.enumerated() {
      let total = sequence.start + sequence.count
      if total > sequences[number].capacity {
        // Twice as much, so that token after token costs little.
        let room = max(total, 2 * sequences[number].capacity)
        let larger = Rows(
          keys: try FloatBuffer(room * width), values: try FloatBuffer(room * width), first: 0,
          capacity: room)
        larger.keys.base.update(from: keys(number), count: sequence.start * width)
        larger.values.base.update(from: values(number), count: sequence.start * width)
        sequences[number] = larger
      }
      let from = sequence.firstRow * width
      let to = sequence.start * width
      (keys(number) + to).update(from: key.base + from, count: sequence.count * width)
      (values(number) + to).update(from: value.base + from, count: sequence.count * width)
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
