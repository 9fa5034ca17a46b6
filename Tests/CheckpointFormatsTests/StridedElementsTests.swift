import FileContainers
import TensorModel
import TestSupport
import Testing

@testable import CheckpointFormats

/// Regions of views with any strides, against one element at a time.
@Suite struct StridedElementsTests {
  private static let storage: BytesInMemory = {
    var random = FixedRandom(seed: 3)
    return BytesInMemory(random.bytes(12 << 20))
  }()

  /// Transposed, cut out, spread thin, overlapping and repeated; with windows of 256 KiB, all kinds of reads.
  @Test(arguments: [
    ([2000, 3000], [1, 2000]), ([2000, 2900], [1, 2001]), ([3, 5, 900], [1, 2700, 3]),
    ([700, 4, 500], [2000, 1, 4]), ([500, 500], [3000, 2]), ([70, 300_000], [1, 9]),
    ([40, 41, 42], [42, 1, 1680]), ([300_000, 3], [1, 1]), ([1000, 1000], [0, 1]),
    ([1000, 1000], [1, 0]), ([2, 2, 2, 2, 2], [700_000, 1, 90_000, 7, 300]), ([5000], [17]),
    ([2, 100_000], [1_000_000, 11]), ([100_000, 2], [11, 1_000_000]), ([1, 1], [5, 5]),
  ])
  func areReadInAnyRegion(extents: [Int], strides: [Int]) throws {
    var random = FixedRandom(seed: UInt64(extents[0]))
    let reach = 1 + zip(extents, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 }
    let (rows, columns) = (extents[0], extents.dropFirst().reduce(1, *))
    for size in [1, 2, 4, 8] where reach * size <= Self.storage.byteCount {
      let offset = Int.random(in: 0...(Self.storage.byteCount - reach * size), using: &random)
      let elements = StridedElements(
        Self.storage, byteOffset: offset, extents: extents, strides: strides,
        elementByteCount: size)
      for attempt in 0..<3 {
        let region =
          attempt == 0 && rows * columns < 80_000
          ? MatrixRegion(rows: 0..<rows, columns: 0..<columns)
          : MatrixRegion(
            rows: part(of: rows, 300, &random), columns: part(of: columns, 400, &random))
        try check(elements, region, extents, strides, size, offset)
      }
    }
  }

  private func part(of count: Int, _ limit: Int, _ random: inout FixedRandom) -> Range<Int> {
    let start = Int.random(in: 0..<count, using: &random)
    return start..<Int.random(in: start + 1...min(count, start + limit), using: &random)
  }

  private func check(
    _ elements: StridedElements, _ region: MatrixRegion, _ extents: [Int], _ strides: [Int],
    _ size: Int, _ offset: Int
  ) throws {
    // Rows lie farther apart than they are long: what is between them is left alone.
    let rowStride = (region.columns.count + 3) * size
    var found = [UInt8](repeating: 0xa5, count: region.rows.count * rowStride)
    try found.withUnsafeMutableBytes { bytes in
      let base = try #require(bytes.baseAddress)
      try elements.read(region, into: MatrixBuffer(base: base, rowStride: rowStride))
    }
    var expected = [UInt8](repeating: 0xa5, count: found.count)
    for (index, row) in region.rows.enumerated() {
      for (place, column) in region.columns.enumerated() {
        var (rest, element) = (column, row * strides[0])
        for axis in extents.indices.dropFirst().reversed() {
          element += rest % extents[axis] * strides[axis]
          rest /= extents[axis]
        }
        for byte in 0..<size {
          expected[index * rowStride + place * size + byte] =
            Self.storage.bytes[offset + element * size + byte]
        }
      }
    }
    #expect(
      found == expected, "\(extents), strides \(strides), \(size) bytes, \(region)")
  }
}
