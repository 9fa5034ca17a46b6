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
  /// So much more than what is needed is read, where that makes one read of many.
  private static let sparsity = 4
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
    let pages = try Pages(byteCount: Self.windowByteCount)
    defer { withExtendedLifetime(pages) {} }
    let window = pages.base
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

  /// Copies a block: by one read, if it lies closely enough; by several that are then put in order together, if its parts do; else in halves.
  private func copy(
    _ box: Box, to target: UnsafeMutableRawPointer, _ window: UnsafeMutableRawPointer
  ) throws(CheckpointError) {
    guard !box.ranges.contains(where: \.isEmpty) else { return }
    let reaches = zip(box.ranges, strides).map { ($0.count - 1) * $1 }
    let first = zip(box.ranges, strides).reduce(0) { $0 + $1.0.lowerBound * $1.1 }
    let span = 1 + reaches.reduce(0, +)
    let count = box.ranges.reduce(1) { $0 * $1.count }
    if isClose(span, count) {
      try read(first, span, into: window)
      gather(box, strides, from: window, to: target)
      return
    }
    // Something reaches beyond a window, or there would have been one read.
    guard let widest = reaches.indices.max(by: { reaches[$0] < reaches[$1] }) else { return }
    let range = box.ranges[widest]
    let part = span - reaches[widest]
    // Where all of it is dense, parts are neighbours, and halves are better.
    let isDense = span / Self.sparsity <= count
    if !isDense, isClose(part, count / range.count) {
      let step = Self.windowByteCount / (part * elementByteCount)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: step) {
        let some = start..<min(start + step, range.upperBound)
        for index in some {
          let place = first + (index - range.lowerBound) * strides[widest]
          let inWindow = (index - some.lowerBound) * part * elementByteCount
          try read(place, part, into: window + inWindow)
        }
        var (piece, packed) = (box, strides)
        piece.ranges[widest] = some
        packed[widest] = part
        gather(
          piece, packed, from: window,
          to: target + (start - range.lowerBound) * box.steps[widest])
      }
      return
    }
    let middle = range.lowerBound + range.count / 2
    var (left, right) = (box, box)
    left.ranges[widest] = range.lowerBound..<middle
    right.ranges[widest] = middle..<range.upperBound
    try copy(left, to: target, window)
    try copy(right, to: target + (middle - range.lowerBound) * box.steps[widest], window)
  }

  /// Whether so many elements, spread over a span of others, are worth one read.
  private func isClose(_ span: Int, _ count: Int) -> Bool {
    let byteCount = span * elementByteCount
    return byteCount <= Self.windowByteCount
      && (span / Self.sparsity <= count || byteCount <= Self.smallWindowByteCount)
  }

  private func read(
    _ first: Int, _ span: Int, into target: UnsafeMutableRawPointer
  ) throws(CheckpointError) {
    try bytes.read(
      at: byteOffset + first * elementByteCount, into: target, count: span * elementByteCount)
  }

  /// Takes a block's elements out of a window in which they lie `strides` apart.
  private func gather(
    _ box: Box, _ strides: [Int], from source: UnsafeMutableRawPointer,
    to target: UnsafeMutableRawPointer
  ) {
    let axes = box.ranges.indices.filter { box.ranges[$0].count > 1 }.map {
      Axis(
        count: box.ranges[$0].count, stride: strides[$0] * elementByteCount, step: box.steps[$0])
    }
    let packed = axes.firstIndex { $0.step == elementByteCount }
    if let packed, let run = axes.firstIndex(where: { $0.stride == elementByteCount }),
      run != packed
    {
      let outer = axes.indices.filter { $0 != run && $0 != packed }.map { axes[$0] }
      turn(axes[run], axes[packed], outer[...], from: source, to: target)
    } else {
      // The longest loop innermost.
      gather(axes.sorted { $0.count < $1.count }[...], from: source, to: target)
    }
  }

  /// A dimension of a block: distances in the window and in the target.
  private struct Axis {
    let count: Int
    let stride: Int
    let step: Int
  }

  /// Transposes matrices whose elements are neighbours along one axis in the window, and along another in the target.
  private func turn(
    _ run: Axis, _ packed: Axis, _ outer: ArraySlice<Axis>, from source: UnsafeMutableRawPointer,
    to target: UnsafeMutableRawPointer
  ) {
    guard let axis = outer.first else {
      wb_transpose(
        source, packed.stride, target, run.step, packed.count, run.count, elementByteCount)
      return
    }
    for index in 0..<axis.count {
      turn(
        run, packed, outer.dropFirst(), from: source + index * axis.stride,
        to: target + index * axis.step)
    }
  }

  private func gather(
    _ axes: ArraySlice<Axis>, from source: UnsafeMutableRawPointer,
    to target: UnsafeMutableRawPointer
  ) {
    guard let axis = axes.first else {
      target.copyMemory(from: source, byteCount: elementByteCount)
      return
    }
    if axes.count == 1 {
      if axis.stride == elementByteCount && axis.step == elementByteCount {
        target.copyMemory(from: source, byteCount: axis.count * elementByteCount)
      } else {
        wb_gather(source, axis.stride, target, axis.step, axis.count, elementByteCount)
      }
      return
    }
    for index in 0..<axis.count {
      gather(axes.dropFirst(), from: source + index * axis.stride, to: target + index * axis.step)
    }
  }
}
