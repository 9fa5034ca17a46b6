import TensorModel

/// How a dataset is cut into chunks: boxes of the same extents in every dimension, in row-major order.
///
/// Chunks at the edge reach beyond the dataset; what is beyond counts for nothing.
struct ChunkBoxes: Hashable, Sendable {
  /// The extents of the dataset, of one dimension at least.
  private let extents: [Int]
  /// The extents of a chunk.
  private let chunk: [Int]
  /// The number of chunks along each dimension.
  private let counts: [Int]
  private let elementByteCount: Int
  /// The number of chunks.
  let count: Int
  /// Bytes of a whole chunk.
  let chunkByteCount: Int

  /// What chunks may have: a few of them are in memory at a time, whatever the file's size.
  static let maximumChunkByteCount = 8 << 20

  /// Checks extents that came from a file.
  ///
  /// - Throws: `malformed` for chunks that can't be, `unsupported` for large ones.
  init(_ type: TensorType, chunk: [Int]) throws(CheckpointError) {
    extents = type.shape.dimensions
    self.chunk = chunk
    elementByteCount = type.dtype.blockByteCount
    guard chunk.count == extents.count, !chunk.isEmpty, chunk.allSatisfy({ $0 > 0 }) else {
      throw CheckpointError(.malformed, "chunks of impossible extents", found: "\(chunk)")
    }
    var byteCount = elementByteCount
    for extent in chunk {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= Self.maximumChunkByteCount else {
        throw CheckpointError(
          .unsupported, "chunks are too large",
          expected: "at most \(Self.maximumChunkByteCount) bytes", found: "\(chunk) elements",
          hint: "copy the file with h5repack, and smaller chunks")
      }
      byteCount = product
    }
    chunkByteCount = byteCount
    counts = zip(extents, chunk).map { $0 / $1 + ($0 % $1 > 0 ? 1 : 0) }
    var count = 1
    for number in counts {
      let (product, overflow) = count.multipliedReportingOverflow(by: number)
      guard !overflow else { throw CheckpointError(.malformed, "too many chunks") }
      count = product
    }
    self.count = count
  }

  /// Bytes of all chunks that have some of the same rows.
  var bandByteCount: Int {
    guard let first = counts.first, first > 0 else { return 0 }
    let (product, overflow) = (count / first).multipliedReportingOverflow(by: chunkByteCount)
    return overflow ? Int.max : product
  }

  /// The chunks that may hold cells of a region; those of the same rows follow each other.
  func chunks(in region: MatrixRegion) -> [Int] {
    guard region.cellCount > 0 else { return [] }
    let perBand = counts.dropFirst().reduce(1, *)
    let bands = region.rows.lowerBound / chunk[0]...(region.rows.upperBound - 1) / chunk[0]
    // In matrices the columns say which of a band's chunks they are.
    var places = 0...perBand - 1
    if extents.count == 2 {
      places =
        region.columns.lowerBound / chunk[1]...(region.columns.upperBound - 1) / chunk[1]
    }
    var found: [Int] = []
    for band in bands {
      for place in places {
        let index = band * perBand + place
        if extents.count <= 2 || columns(of: index).overlaps(region.columns) { found.append(index) }
      }
    }
    return found
  }

  /// The elements of a chunk along each dimension, as far as they are in the dataset.
  private func box(of index: Int) -> [Range<Int>] {
    var rest = index
    var box: [Range<Int>] = []
    for axis in extents.indices.reversed() {
      let place = rest % counts[axis]
      rest /= counts[axis]
      box.append(place * chunk[axis]..<min(extents[axis], (place + 1) * chunk[axis]))
    }
    return box.reversed()
  }

  /// The columns between a chunk's first and its last.
  private func columns(of index: Int) -> Range<Int> {
    let box = box(of: index)
    var (first, last) = (0, 0)
    for axis in extents.indices.dropFirst() {
      first = first * extents[axis] + box[axis].lowerBound
      last = last * extents[axis] + box[axis].upperBound - 1
    }
    return first..<last + 1
  }

  /// Copies what a chunk has of a region.
  ///
  /// - Parameters:
  ///   - index: the chunk's number.
  ///   - bytes: of a whole chunk.
  ///   - region: of the dataset as a matrix.
  ///   - destination: room for the region.
  func copy(
    _ index: Int, _ bytes: UnsafeRawPointer, to region: MatrixRegion,
    into destination: MatrixBuffer
  ) {
    let box = box(of: index)
    let rows = box[0].clamped(to: region.rows)
    guard !rows.isEmpty else { return }
    let last = extents.count - 1
    // A run is what lies in a row of the chunk along its last dimension.
    let runLength = last == 0 ? 1 : box[last].count
    let runsPerRow = last == 0 ? 1 : box[1..<last].reduce(1) { $0 * $1.count }
    for run in 0..<runsPerRow {
      var rest = run
      var (column, place) = (0, 0)
      var (columnStep, placeStep) = (1, 1)
      if last > 0 {
        column = box[last].lowerBound
        (columnStep, placeStep) = (extents[last], chunk[last])
        for axis in (1..<max(1, last)).reversed() {
          let step = rest % box[axis].count
          rest /= box[axis].count
          column += (box[axis].lowerBound + step) * columnStep
          place += step * placeStep
          columnStep *= extents[axis]
          placeStep *= chunk[axis]
        }
      }
      let columns = (column..<column + runLength).clamped(to: region.columns)
      guard !columns.isEmpty else { continue }
      let byteCount = columns.count * elementByteCount
      let skipped = place + columns.lowerBound - column
      if placeStep == columns.count && destination.rowStride == byteCount {
        let first = rows.lowerBound - box[0].lowerBound
        destination.advanced(rows: rows.lowerBound - region.rows.lowerBound).base.copyMemory(
          from: bytes + first * byteCount, byteCount: rows.count * byteCount)
        continue
      }
      for row in rows {
        let source = ((row - box[0].lowerBound) * placeStep + skipped) * elementByteCount
        let target = destination.advanced(
          rows: row - region.rows.lowerBound,
          bytes: (columns.lowerBound - region.columns.lowerBound) * elementByteCount)
        target.base.copyMemory(from: bytes + source, byteCount: byteCount)
      }
    }
  }

  /// Whether a chunk is, as it stands, what a region has of these rows, so that it can be decoded in place; then the rows.
  func rows(of index: Int, filling region: MatrixRegion) -> Range<Int>? {
    guard counts.dropFirst().allSatisfy({ $0 == 1 }),
      chunk.dropFirst().elementsEqual(extents.dropFirst())
    else { return nil }
    let rows = index * chunk[0]..<(index + 1) * chunk[0]
    let columns = extents.dropFirst().reduce(1, *)
    return region.columns == 0..<columns && rows.clamped(to: region.rows) == rows ? rows : nil
  }
}
