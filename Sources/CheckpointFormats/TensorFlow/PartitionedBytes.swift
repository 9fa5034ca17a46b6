import FileContainers
import TensorModel

/// The bytes of a variable that is stored in slices, in the order that they have in the whole.
///
/// Slices make a grid: each dimension is cut at the same places everywhere, as TensorFlow's partitioners cut.
struct PartitionedBytes: RandomAccessBytes {
  /// The bytes of each slice in the order of the grid, the last dimension's first.
  private let cells: [StoredBytes]
  /// Where each dimension is cut, from 0 to its size.
  private let cuts: [[Int]]
  private let shape: Shape
  private let itemByteCount: Int
  let byteCount: Int

  /// Puts slices together.
  ///
  /// - Parameters:
  ///   - slices: what each has of every dimension, and its bytes.
  ///   - shape: of the whole.
  ///   - itemByteCount: of an element.
  /// - Throws: `malformed` if they overlap or leave something out.
  init(
    _ slices: [(extents: [Range<Int>], bytes: StoredBytes)], _ shape: Shape,
    itemByteCount: Int
  ) throws(CheckpointError) {
    let cuts = shape.dimensions.indices.map { axis in
      Set(slices.map { $0.extents[axis].lowerBound }).sorted() + [shape.dimensions[axis]]
    }
    var cellCount = 1
    for axis in cuts {
      let (count, overflow) = cellCount.multipliedReportingOverflow(by: axis.count - 1)
      guard !overflow, count <= slices.count else { throw Self.misfit(shape, slices.count) }
      cellCount = count
    }
    var cells = [StoredBytes?](repeating: nil, count: cellCount)
    for slice in slices {
      var cell = 0
      for (axis, extent) in slice.extents.enumerated() {
        let starts = cuts[axis]
        let place = Self.place(of: extent.lowerBound, in: starts)
        guard starts[0] == 0, starts[place] == extent.lowerBound,
          starts[place + 1] == extent.upperBound
        else { throw Self.misfit(shape, slices.count) }
        cell = cell * (starts.count - 1) + place
      }
      guard cells[cell] == nil else { throw Self.misfit(shape, slices.count) }
      cells[cell] = slice.bytes
    }
    self.cells = cells.compactMap { $0 }
    guard self.cells.count == cellCount else { throw Self.misfit(shape, slices.count) }
    self.cuts = cuts
    self.shape = shape
    self.itemByteCount = itemByteCount
    byteCount = shape.elementCount * itemByteCount
  }

  private static func misfit(_ shape: Shape, _ count: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "the slices of the variable overlap or leave something out",
      expected: "a grid that covers \(shape) once", found: counted(count, "slice"))
  }

  /// The last of the starts that isn't after an index; the end of the dimension comes last and doesn't count.
  private static func place(of index: Int, in starts: [Int]) -> Int {
    var (low, high) = (0, starts.count - 2)
    while low < high {
      let middle = (low + high + 1) / 2
      if starts[middle] <= index { low = middle } else { high = middle - 1 }
    }
    return low
  }

  func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    guard position >= 0, count >= 0, position <= byteCount, count <= byteCount - position else {
      throw CheckpointError(.malformed, "bytes outside of the variable", byteOffset: position)
    }
    var done = 0
    while done < count {
      let run = run(at: position + done)
      let length = min(run.byteCount, count - done)
      try cells[run.cell].read(at: run.position, into: base + done, count: length)
      done += length
    }
  }

  /// The bytes from a position on that lie one after the other in one slice.
  private func run(at position: Int) -> (cell: Int, position: Int, byteCount: Int) {
    var rest = position / itemByteCount
    let within = position % itemByteCount
    // From the innermost dimension outwards: the slice, and where in it the element is.
    var (cell, cellStride, item, itemStride, length, isWhole) = (0, 1, 0, 1, 1, true)
    for axis in shape.dimensions.indices.reversed() {
      let index = rest % shape.dimensions[axis]
      rest /= shape.dimensions[axis]
      let place = Self.place(of: index, in: cuts[axis])
      let extent = cuts[axis][place]..<cuts[axis][place + 1]
      cell += place * cellStride
      cellStride *= cuts[axis].count - 1
      // Elements after this one to the end of what the slice has of the dimension, as long as all inner dimensions are whole.
      if isWhole {
        length = (extent.upperBound - index) * itemStride - item
        isWhole = extent.count == shape.dimensions[axis]
      }
      item += (index - extent.lowerBound) * itemStride
      itemStride *= extent.count
    }
    return (cell, item * itemByteCount + within, length * itemByteCount - within)
  }

  func confirm() throws(CheckpointError) { for cell in cells { try cell.confirm() } }
}
