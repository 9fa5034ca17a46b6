import CTensorKernels
import FileContainers
import TensorModel

/// Reads regions of a tensor whose elements lie anywhere in a storage: transposed, cut out, repeated.
struct StridedElements {
  private let bytes: any RandomAccessBytes
  private let byteOffset: Int
  private let extents: [Int]
  private let strides: [Int]
  private let elementByteCount: Int

  /// Bytes that are read at once.
  private static let windowByteCount = 256 << 10
  /// A window this small is read even if most of it isn't needed.
  private static let smallWindowByteCount = 16 << 10

  /// Elements in a storage.
  ///
  /// - Parameters:
  ///   - bytes: the storage.
  ///   - byteOffset: where the first element is.
  ///   - extents: outermost first; at least one, none of them 0.
  ///   - strides: elements from one index to the next.
  ///   - elementByteCount: bytes of an element.
  init(
    _ bytes: any RandomAccessBytes, byteOffset: Int, extents: [Int], strides: [Int],
    elementByteCount: Int
  ) {
    self.bytes = bytes
    self.byteOffset = byteOffset
    self.extents = extents
    // A single index has no neighbours, and its stride may be anything.
    self.strides = zip(extents, strides).map { $0 == 1 ? 0 : $1 }
    self.elementByteCount = elementByteCount
  }

  /// Copies a region of the rows × columns that the tensor is seen as.
  ///
  /// - Throws: what reading the storage throws.
  func read(_ region: MatrixRegion, into destination: MatrixBuffer) throws(CheckpointError) {
    let window = UnsafeMutableRawPointer.allocate(
      byteCount: Self.windowByteCount, alignment: 64)
    defer { window.deallocate() }
    for (inner, columns) in Self.boxes(region.columns, in: extents[1...]) {
      let box = Box(
        ranges: [region.rows] + inner,
        // Places in the destination: rows lie a row's stride apart, columns follow each other.
        steps: [destination.rowStride] + Self.steps(inner, elementByteCount))
      let start = (columns - region.columns.lowerBound) * elementByteCount
      try copy(box, to: destination.base + start, window)
    }
  }

  /// A block of indices, and how far apart they land.
  private struct Box {
    var ranges: [Range<Int>]
    var steps: [Int]
  }

  /// Cuts a run of flattened columns into blocks of their indices.
  private static func boxes(
    _ columns: Range<Int>, in extents: ArraySlice<Int>
  ) -> [(ranges: [Range<Int>], start: Int)] {
    guard let outer = extents.first, columns.count > 0 else {
      return columns.isEmpty ? [] : [([], columns.lowerBound)]
    }
    let rest = extents.dropFirst()
    let inner = rest.reduce(1, *)
    if rest.isEmpty { return [([columns], columns.lowerBound)] }
    if columns == 0..<outer * inner { return [(extents.map { 0..<$0 }, 0)] }
    var boxes: [(ranges: [Range<Int>], start: Int)] = []
    var position = columns.lowerBound
    while position < columns.upperBound {
      let (index, within) = position.quotientAndRemainder(dividingBy: inner)
      let whole = (columns.upperBound - position) / inner
      if within == 0 && whole > 0 {
        boxes.append(([index..<index + whole] + rest.map { 0..<$0 }, position))
        position += whole * inner
      } else {
        let end = min(columns.upperBound, (index + 1) * inner)
        for (ranges, start) in Self.boxes(position - index * inner..<end - index * inner, in: rest)
        {
          boxes.append(([index..<index + 1] + ranges, index * inner + start))
        }
        position = end
      }
    }
    return boxes
  }

  /// Bytes between neighbours in a packed block.
  private static func steps(_ ranges: [Range<Int>], _ elementByteCount: Int) -> [Int] {
    var steps = [Int](repeating: elementByteCount, count: ranges.count)
    for place in ranges.indices.dropLast().reversed() {
      steps[place] = steps[place + 1] * ranges[place + 1].count
    }
    return steps
  }

  /// Copies a block: by one read, if it lies closely enough, else in halves.
  private func copy(
    _ box: Box, to target: UnsafeMutableRawPointer, _ window: UnsafeMutableRawPointer
  ) throws(CheckpointError) {
    var (first, span, count) = (0, 1, 1)
    for (range, stride) in zip(box.ranges, strides) {
      first += range.lowerBound * stride
      span += (range.count - 1) * stride
      count *= range.count
    }
    let spanByteCount = span * elementByteCount
    if count > 0, spanByteCount <= Self.windowByteCount,
      span <= 4 * count || spanByteCount <= Self.smallWindowByteCount
    {
      try bytes.read(at: byteOffset + first * elementByteCount, into: window, count: spanByteCount)
      gather(box, 0, from: window, to: target)
      return
    }
    let reaches = zip(box.ranges, strides).map { ($0.count - 1) * $1 }
    guard let widest = reaches.indices.max(by: { reaches[$0] < reaches[$1] }),
      box.ranges[widest].count > 1
    else { return }
    let range = box.ranges[widest]
    let middle = range.lowerBound + range.count / 2
    var (left, right) = (box, box)
    left.ranges[widest] = range.lowerBound..<middle
    right.ranges[widest] = middle..<range.upperBound
    try copy(left, to: target, window)
    try copy(right, to: target + (middle - range.lowerBound) * box.steps[widest], window)
  }

  /// Takes a block's elements out of a window.
  private func gather(
    _ box: Box, _ dimension: Int, from source: UnsafeMutableRawPointer,
    to target: UnsafeMutableRawPointer
  ) {
    let (count, step) = (box.ranges[dimension].count, box.steps[dimension])
    let stride = strides[dimension] * elementByteCount
    if dimension == box.ranges.count - 1 {
      wb_gather(source, stride, target, step, count, elementByteCount)
      return
    }
    for index in 0..<count {
      gather(box, dimension + 1, from: source + index * stride, to: target + index * step)
    }
  }
}
