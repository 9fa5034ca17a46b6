import CTensorKernels
import FileContainers
import TensorModel

extension TensorEvaluator {
  /// Writes blocks for the values of a region.
  ///
  /// - Parameters:
  ///   - operand: the values, F32.
  ///   - type: the block format, and the shape; rows are whole blocks.
  ///   - method: how blocks are chosen.
  ///   - region: of blocks, one after the other.
  ///   - destination: room for the region.
  ///   - scratch: for values, and blocks at the region's ends.
  ///   - report: takes in how far blocks and values are apart.
  /// - Throws: `malformed` for values that are no numbers, `overflow` for those that are too large; what the reader throws.
  func quantize(
    _ operand: CompiledExpression.Node, _ type: TensorType, _ method: QuantizationMethod,
    _ region: MatrixRegion, _ destination: MatrixBuffer, _ scratch: ScratchArena,
    _ report: inout CastReport
  ) throws(CheckpointError) {
    guard let format = type.dtype.blockType else {
      throw CheckpointError(.unsupported, "no blocks of \(type.dtype.rawValue)")
    }
    let rows = BlockRows(type, isWhole: method.needsWholeRows)
    let limit = operand.transposes ? gatheredByteCount : tileByteCount
    for piece in rows.pieces(of: region.rows, valueByteLimit: limit) {
      let byteCount = piece.count * rows.elementCount * 4
      // A row that must stay whole may be larger than what pieces are cut to.
      // Where errors are weighed, a row is decoded beside it.
      let arena =
        byteCount <= limit
        ? scratch
        : try ScratchArena(byteCount: (method.needsWholeRows ? 3 : 2) * byteCount)
      try arena.withPiece(byteCount: byteCount) { (values) throws(CheckpointError) in
        let first = piece.lowerBound * rows.elementCount
        try evaluateElements(
          operand, first..<first + piece.count * rows.elementCount, values, scratch, &report)
        let floats = UnsafePointer(values.assumingMemoryBound(to: Float.self))
        let shared = piece.clamped(to: region.rows)
        let skippedBlocks = shared.lowerBound - piece.lowerBound
        let target = destination.advanced(rows: shared.lowerBound - region.rows.lowerBound)
        let isDirect = shared == piece && target.rowStride == rows.blockByteCount
        var outcome = QuantizationErrors()
        try arena.withPiece(byteCount: isDirect ? 0 : piece.count * rows.blockByteCount) {
          (spare) throws(CheckpointError) in
          let blocks = isDirect ? target.base : spare
          rows.quantize(format, floats, piece, method.importance, blocks)
          let wanted = blocks + skippedBlocks * rows.blockByteCount
          let values = floats + skippedBlocks * rows.elementCount
          var plain: QuantizationErrors?
          if method.quality != .plain {
            plain = rows.errors(format, values, wanted, shared, method.importance, arena)
            rows.refine(format, floats, piece, method.importance, blocks)
          }
          var outputs: QuantizationErrors.OutputErrors?
          if let feedback = ErrorFeedback(method, format, columns: rows.columnCount) {
            outputs = try feedback.apply(
              factors, floats, rows: piece.count / rows.rowBlockCount, blocks,
              rows.rowBlockCount * rows.blockByteCount)
          }
          outcome = rows.errors(format, values, wanted, shared, method.importance, arena)
          if let plain { outcome.compare(with: plain) }
          outcome.outputs = outputs
          if !isDirect {
            for block in 0..<shared.count {
              target.advanced(rows: block).base.copyMemory(
                from: wanted + block * rows.blockByteCount, byteCount: rows.blockByteCount)
            }
          }
        }
        guard outcome.isFinite(hasRange: type.dtype == .mxfp4) else {
          throw Self.unfit(
            floats + skippedBlocks * rows.elementCount, shared.count * rows.elementCount,
            shared.lowerBound * rows.elementCount, type.shape, type.dtype.rawValue,
            overflowed: report.overflowCount > 0)
        }
        report.merge(outcome)
      }
    }
  }

  /// Evaluates a run of elements in row-major order.
  func evaluateElements(
    _ node: CompiledExpression.Node, _ elements: Range<Int>, _ destination: UnsafeMutableRawPointer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let width = node.geometry.columns
    var position = elements.lowerBound
    while position < elements.upperBound {
      let (row, column) = position.quotientAndRemainder(dividingBy: width)
      let whole = column == 0 ? (elements.upperBound - position) / width : 0
      let count =
        whole > 0 ? whole * width : min(width - column, elements.upperBound - position)
      let part = MatrixRegion(
        rows: row..<row + max(1, whole),
        columns: whole > 0 ? 0..<width : column..<column + count)
      try evaluate(
        node, part,
        MatrixBuffer(
          base: destination + (position - elements.lowerBound) * 4,
          rowStride: part.columns.count * 4),
        scratch, &report)
      position += count
    }
  }

  /// The error for values that nothing in a format can stand for, with the place of the first.
  ///
  /// - Parameters:
  ///   - values: the floats that it was to be made of.
  ///   - count: how many.
  ///   - first: the place of the first in the tensor.
  ///   - shape: of the tensor.
  ///   - format: its name.
  ///   - overflowed: whether a cast has made infinities of some.
  /// - Returns: `malformed` for what is no finite number in the source, else `overflow`.
  static func unfit(
    _ values: UnsafePointer<Float>, _ count: Int, _ first: Int, _ shape: Shape, _ format: String,
    overflowed: Bool
  ) -> CheckpointError {
    for place in 0..<count where !values[place].isFinite {
      if overflowed, !values[place].isNaN {
        return CheckpointError(
          .overflow,
          "a weight is too large for the floats that \(format) is made of: it would become infinite",
          found: "one at \(shape.indexText(of: first + place))",
          hint: "keep the tensor as it is by --tensor-type 'NAME=f32'")
      }
      return CheckpointError(
        .malformed, "a weight is NaN or infinite: \(format) can't stand for it",
        found:
          "\(values[place].isNaN ? "NaN" : values[place] < 0 ? "-inf" : "inf") at \(shape.indexText(of: first + place))",
        hint: "the source is damaged, or has weights that were never trained")
    }
    let largest = (0..<count).max { abs(values[$0]) < abs(values[$1]) } ?? 0
    return CheckpointError(
      .overflow, "weights are too large for the scales of \(format)",
      found: "\(values[largest]) at \(shape.indexText(of: first + largest))",
      hint: "keep the tensor as it is by --tensor-type 'NAME=f32'")
  }
}
