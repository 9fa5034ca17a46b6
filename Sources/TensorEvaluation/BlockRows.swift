import CTensorKernels
import TensorModel

/// The blocks of a tensor, row by row.
struct BlockRows {
  let elementCount: Int
  let blockByteCount: Int
  /// Blocks of a row.
  let rowBlockCount: Int
  /// Whether a row's blocks depend on each other.
  let isWhole: Bool

  init(_ type: TensorType, isWhole: Bool) {
    elementCount = type.dtype.blockElementCount
    blockByteCount = type.dtype.blockByteCount
    rowBlockCount = max(1, (type.shape.dimensions.last ?? 0) / elementCount)
    self.isWhole = isWhole
  }

  /// Runs of blocks that cover some, of whole rows unless rows are large and may be cut.
  func pieces(of blocks: Range<Int>, valueByteLimit limit: Int) -> [Range<Int>] {
    let affordable = max(1, limit / (elementCount * 4))
    let unit = isWhole || rowBlockCount <= affordable ? rowBlockCount : 1
    let step = max(1, affordable / unit) * unit
    let start = blocks.lowerBound / unit * unit
    let end = (blocks.upperBound + unit - 1) / unit * unit
    return stride(from: start, to: end, by: step).map { $0..<min($0 + step, end) }
  }

  func quantize(
    _ format: wb_block_type, _ values: UnsafePointer<Float>, _ blocks: Range<Int>,
    _ importance: ColumnImportance?, _ target: UnsafeMutableRawPointer
  ) {
    guard let importance else {
      wb_quantize(format, values, 1, blocks.count * elementCount, nil, target)
      return
    }
    wb_quantize(
      format, values, blocks.count / rowBlockCount, rowBlockCount * elementCount,
      importance.values, target)
  }
}
