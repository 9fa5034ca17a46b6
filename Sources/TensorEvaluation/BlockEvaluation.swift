import CTensorKernels
import FileContainers
import TensorModel

extension RowPermutation {
  /// Some rows of the result, as runs of rows that follow each other in the operand.
  ///
  /// - Parameters:
  ///   - rows: of the result, counted in units.
  ///   - unit: how many of these a row is.
  /// - Returns: where each run begins in the result, and the operand's rows.
  func runs(_ rows: Range<Int>, unit: Int) -> [(first: Int, source: Range<Int>)] {
    var runs: [(first: Int, source: Range<Int>)] = []
    var position = rows.lowerBound
    while position < rows.upperBound {
      let (row, within) = position.quotientAndRemainder(dividingBy: unit)
      let count = min(unit - within, rows.upperBound - position)
      let start = source(of: row) * unit + within
      if let last = runs.last, last.source.upperBound == start {
        runs[runs.count - 1].source = last.source.lowerBound..<start + count
      } else {
        runs.append((position, start..<start + count))
      }
      position += count
    }
    return runs
  }
}

extension TensorEvaluator {
  /// Writes the values of a region of a block format's tensor as F32.
  ///
  /// - Parameters:
  ///   - operand: of a block format, whose cells are blocks, one after the other.
  ///   - geometry: of the result.
  ///   - region: of the result.
  ///   - destination: room for the region.
  ///   - scratch: for blocks and whole blocks' values.
  ///   - report: of the operand's casts.
  /// - Throws: what the reader throws.
  func dequantize(
    _ operand: CompiledExpression.Node, _ geometry: MatrixGeometry, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    guard let type = operand.type.dtype.blockType else {
      throw CheckpointError(.unsupported, "no values of \(operand.type.dtype.rawValue)")
    }
    let blocks = BlockRuns(
      elementCount: operand.type.dtype.blockElementCount,
      limit: max(1, tileByteCount / (operand.type.dtype.blockElementCount * 4)))
    // A run of elements: all of some rows, or a part of one.
    let isWhole =
      region.columns.count == geometry.columns
      && destination.rowStride == region.columns.count * 4
    let (runCount, runLength) =
      isWhole ? (1, region.cellCount) : (region.rows.count, region.columns.count)
    for run in 0..<runCount {
      let first =
        (region.rows.lowerBound + run) * geometry.columns + region.columns.lowerBound
      let target = destination.advanced(rows: run).base
      for piece in blocks.pieces(first..<first + runLength) {
        let byteCount = piece.blocks.count * operand.geometry.cellByteCount
        let valueByteCount = piece.blocks.count * blocks.elementCount * 4
        try scratch.withPiece(byteCount: byteCount) { (stored) throws(CheckpointError) in
          try evaluate(
            operand, MatrixRegion(rows: piece.blocks, columns: 0..<1),
            MatrixBuffer(base: stored, rowStride: operand.geometry.cellByteCount), scratch,
            &report)
          scratch.withPiece(byteCount: valueByteCount) { values in
            wb_dequantize(
              type, stored, piece.blocks.count, values.assumingMemoryBound(to: Float.self))
            (target + (piece.elements.lowerBound - first) * 4).copyMemory(
              from: values + piece.skipped * 4, byteCount: piece.elements.count * 4)
          }
        }
      }
    }
  }
}

/// Cuts runs of elements into pieces, each with the blocks that hold it.
private struct BlockRuns {
  let elementCount: Int
  /// Blocks of a piece at most.
  let limit: Int

  struct Piece {
    let elements: Range<Int>
    let blocks: Range<Int>
    /// Elements of the first block that come before.
    let skipped: Int
  }

  func pieces(_ elements: Range<Int>) -> [Piece] {
    var pieces: [Piece] = []
    var position = elements.lowerBound
    while position < elements.upperBound {
      let block = position / elementCount
      let end = min(elements.upperBound, (block + limit) * elementCount)
      pieces.append(
        Piece(
          elements: position..<end, blocks: block..<(end + elementCount - 1) / elementCount,
          skipped: position - block * elementCount))
      position = end
    }
    return pieces
  }
}

extension DType {
  /// The block format of the kernels; nil for other dtypes.
  var blockType: wb_block_type? {
    isBlockQuantized ? ggmlType.map { wb_block_type(UInt32($0)) } : nil
  }
}

/// The blocks of a tensor, row by row.
struct BlockRows {
  let elementCount: Int
  let blockByteCount: Int
  /// Blocks of a row.
  let rowBlockCount: Int
  /// Rows of the tensor, of all experts where it is a stack.
  let rowCount: Int
  /// Whether a row's blocks depend on each other.
  let isWhole: Bool

  init(_ type: TensorType, isWhole: Bool) {
    elementCount = type.dtype.blockElementCount
    blockByteCount = type.dtype.blockByteCount
    rowBlockCount = max(1, (type.shape.dimensions.last ?? 0) / elementCount)
    rowCount = type.shape.elementCount / max(1, type.shape.dimensions.last ?? 0)
    self.isWhole = isWhole
  }

  /// Weights of a row.
  var columnCount: Int { rowBlockCount * elementCount }

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
    let columnCount = rowBlockCount * elementCount
    // Of a stack of experts each has importances of its own.
    let expertRowCount = max(1, rowCount / max(1, importance.values.count / columnCount))
    let rows = blocks.lowerBound / rowBlockCount..<blocks.upperBound / rowBlockCount
    var first = rows.lowerBound
    while first < rows.upperBound {
      let expert = first / expertRowCount
      let end = min(rows.upperBound, (expert + 1) * expertRowCount)
      let done = first - rows.lowerBound
      importance.values.withUnsafeBufferPointer { importances in
        wb_quantize(
          format, values + done * columnCount, end - first, columnCount,
          importances.baseAddress.map { $0 + expert * columnCount },
          target + done * rowBlockCount * blockByteCount)
      }
      first = end
    }
  }

  /// Puts better blocks in the stead of those that `quantize` made, where there are any.
  func refine(
    _ format: wb_block_type, _ values: UnsafePointer<Float>, _ blocks: Range<Int>,
    _ importance: ColumnImportance?, _ target: UnsafeMutableRawPointer
  ) {
    guard let importance else {
      wb_refine(wb_best_level(), format, values, 1, blocks.count * elementCount, nil, target)
      return
    }
    wb_refine(
      wb_best_level(), format, values, blocks.count / rowBlockCount, rowBlockCount * elementCount,
      importance.values, target)
  }

  /// How far blocks are from their values.
  ///
  /// - Parameters:
  ///   - format: theirs.
  ///   - values: of the first of them on.
  ///   - made: the blocks.
  ///   - blocks: which ones of the tensor they are.
  ///   - importance: of the columns; nil if errors count the same everywhere.
  ///   - arena: for values of a row.
  /// - Returns: the errors.
  func errors(
    _ format: wb_block_type, _ values: UnsafePointer<Float>, _ made: UnsafeRawPointer,
    _ blocks: Range<Int>, _ importance: ColumnImportance?, _ arena: ScratchArena
  ) -> QuantizationErrors {
    var kernel = wb_block_errors()
    wb_block_errors_add(format, values, made, blocks.count, &kernel)
    var errors = QuantizationErrors(kernel)
    guard let importance else { return errors }
    arena.withPiece(byteCount: rowBlockCount * elementCount * 4) { piece in
      let decoded = piece.assumingMemoryBound(to: Float.self)
      var block = blocks.lowerBound
      while block < blocks.upperBound {
        let place = block % rowBlockCount
        let count = min(rowBlockCount - place, blocks.upperBound - block)
        let first = block - blocks.lowerBound
        wb_dequantize(format, made + first * blockByteCount, count, decoded)
        errors.weigh(
          values + first * elementCount, decoded, importance, from: place * elementCount,
          count * elementCount)
        block += count
      }
    }
    return errors
  }
}
