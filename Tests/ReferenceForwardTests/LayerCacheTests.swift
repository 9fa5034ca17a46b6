import TestSupport
import Testing

@testable import ReferenceForward

/// Keys and values of sequences.
struct LayerCacheTests {
  private let width = 3

  private func buffer(_ values: [Float]) throws -> FloatBuffer {
    let buffer = try FloatBuffer(values.count)
    buffer.base.update(from: values, count: values.count)
    return buffer
  }

  private func row(_ base: UnsafeMutablePointer<Float>, _ count: Int) -> [Float] {
    (0..<count * width).map { base[$0] }
  }

  /// Thousands of short rows don't have thousands of mappings.
  @Test func sequencesThatBeginShareABuffer() throws {
    let cache = LayerCache()
    let sequences = Sequences(Array(repeating: 1, count: 1000))
    let values = (0..<1000 * width).map(Float.init)
    try cache.append(buffer(values), buffer(values.map { -$0 }), sequences, width: width)
    for number in [0, 1, 999] {
      let expected = Array(values[number * width..<(number + 1) * width])
      #expect(row(cache.keys(number), 1) == expected)
      #expect(row(cache.values(number), 1) == expected.map { -$0 })
    }
    #expect(cache.keys(999) - cache.keys(0) == 999 * width)
  }

  @Test func sequencesGrowByThemselves() throws {
    let cache = LayerCache()
    try cache.append(
      buffer([1, 1, 1, 2, 2, 2, 3, 3, 3]), buffer([4, 4, 4, 5, 5, 5, 6, 6, 6]), Sequences([2, 1]),
      width: width)
    for step in 0..<5 {
      let new = (0..<2 * width).map { Float(10 * step + $0) }
      try cache.append(
        buffer(new), buffer(new), Sequences([1, 1], starts: [2 + step, 1 + step]), width: width)
    }
    #expect(row(cache.keys(0), 3) == [1, 1, 1, 2, 2, 2, 0, 1, 2])
    #expect(row(cache.keys(1), 3) == [3, 3, 3, 3, 4, 5, 13, 14, 15])
    #expect(row(cache.values(1), 2) == [6, 6, 6, 3, 4, 5])
    #expect(row(cache.values(0) + 6 * width, 1) == [40, 41, 42])
  }

  /// Of longer sequences some tokens at a time are scored, in the memory of one block.
  @Test func scoresAreBounded() {
    func block(_ count: Int, start: Int = 0) -> Int {
      Attention.blockCount(.init(firstRow: 0, count: count, start: start, prefix: 0), 0)
    }
    #expect(block(1) == 1 && block(4096) == 4096)
    #expect(block(450_001) == 37)
    #expect(block(1, start: 1 << 30) == 1)
  }
}
