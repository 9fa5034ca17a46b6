import CTensorKernels
import FileContainers
import TensorModel

/// What a node makes of a matrix: whole packed rows, or codes or scales.
struct PackedNode: Sendable {
  /// What rows are packed in.
  let format: PackedFormat
  /// How codes and scales are chosen.
  let method: QuantizationMethod
  /// The dtype of the values before, and of scales that have none of their own.
  let dtype: DType
  /// Bytes of a packed row: all, or those of the part.
  let bytes: Range<Int>
  /// Rows of the matrix for one of the node.
  let rowCount: Int
  /// What each row ends in, whatever its values are.
  let constants: [UInt8]

  /// Whole rows, or a part of them that depends on values, of a matrix that the format takes.
  init(
    _ format: PackedFormat, _ method: QuantizationMethod, _ part: PackedFormat.Part?,
    _ matrix: TensorType
  ) {
    self.format = format
    self.method = method
    dtype = matrix.dtype
    rowCount = part.map { format.sharedRowCount(of: $0, matrix) } ?? 1
    bytes =
      part.flatMap { format.bytes(of: $0, matrix) }
      ?? 0..<(format.type(ofRows: matrix)?.geometry.rowByteCount ?? 0)
    constants = format.parts.flatMap { part in
      (format.constants(of: part, matrix) ?? []).flatMap {
        $0.bytes(in: format.type(of: part, matrix)?.dtype ?? .f32) ?? []
      }
    }
  }
}

extension TensorEvaluator {
  /// Writes some bytes of the packed rows of a matrix.
  ///
  /// - Parameters:
  ///   - values: of the matrix, F32, whatever dtype they had.
  ///   - packed: what they are packed in, and which bytes.
  ///   - geometry: of the result, whose cells are these bytes.
  ///   - region: of the result.
  ///   - destination: room for the region.
  ///   - scratch: for values and whole rows.
  ///   - report: takes in how far codes and values are apart.
  /// - Throws: `malformed` for values that are no numbers, `overflow` for those that are too large; what the reader throws.
  func pack(
    _ values: Node, _ packed: PackedNode, _ geometry: MatrixGeometry, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let format = packed.format
    guard let kernel = PackingKernel(format, packed.dtype) else {
      throw CheckpointError(.unsupported, "\(format) isn't made of \(packed.dtype.rawValue)")
    }
    let columns = values.geometry.columns
    let keptByteCount = kernel.rowByteCount(columns)
    let rowByteCount = keptByteCount + packed.constants.count
    let wanted = region.rows.clamped(to: 0..<geometry.rows)
    let matrixRows =
      wanted.lowerBound
      * packed.rowCount..<min(
        wanted.upperBound * packed.rowCount, values.geometry.rows)
    let isWhole =
      packed.bytes.count == rowByteCount && region.columns.count == geometry.columns
    let isDirect = isWhole && destination.rowStride.isMultiple(of: 4)
    let limit = (values.transposes ? gatheredByteCount : tileByteCount) / (isDirect ? 1 : 2)
    for rows in Self.pieces(
      of: matrixRows, sharing: format.rowCount, of: values.geometry.rows,
      limit: limit / (columns * 4))
    {
      let valueByteCount = rows.count * columns * 4
      // Rows that stay together may be larger than what pieces are cut to.
      let arena =
        valueByteCount <= limit
        ? scratch
        : try ScratchArena(
          byteCount: valueByteCount + rows.count * rowByteCount + columns * 4
            + 3 * ScratchArena.alignment)
      let taken = rows.clamped(to: matrixRows)
      let makesDirectly = isDirect && taken == rows
      try arena.withPiece(byteCount: valueByteCount) { (piece) throws(CheckpointError) in
        try evaluateElements(
          values, rows.lowerBound * columns..<rows.upperBound * columns, piece, scratch, &report)
        let floats = UnsafePointer(piece.assumingMemoryBound(to: Float.self))
        let first = taken.lowerBound / packed.rowCount - wanted.lowerBound
        let target = destination.advanced(rows: first)
        let outcome = try arena.withPiece(
          byteCount: makesDirectly ? 0 : rows.count * rowByteCount
        ) { (spare) throws(CheckpointError) -> QuantizationErrors in
          let made = makesDirectly ? target.base : spare
          let stride = makesDirectly ? target.rowStride : rowByteCount
          kernel.quantize(floats, rows: rows.count, columns: columns, made, stride)
          for row in 0..<(packed.constants.isEmpty ? 0 : rows.count) {
            (made + row * stride + keptByteCount).copyMemory(
              from: packed.constants, byteCount: packed.constants.count)
          }
          let skipped = taken.lowerBound - rows.lowerBound
          func measured() -> QuantizationErrors {
            errors(
              kernel, floats + skipped * columns, made + skipped * stride, stride, packed.method,
              rows: taken.count, columns: columns, group: format.groupSize ?? columns, arena)
          }
          var plain: QuantizationErrors?
          if packed.method.quality != .plain {
            plain = measured()
            kernel.refine(
              floats, rows: rows.count, columns: columns, packed.method.importance, made, stride)
          }
          var outputs: QuantizationErrors.OutputErrors?
          if let feedback = ErrorFeedback(packed.method, kernel, columns: columns) {
            outputs = try feedback.apply(factors, floats, rows: rows.count, made, stride)
          }
          var outcome = measured()
          if let plain { outcome.compare(with: plain) }
          outcome.outputs = outputs
          if !makesDirectly {
            copy(
              made + skipped * stride, stride, rows: taken.count, packed, geometry, region.columns,
              to: target)
          }
          return outcome
        }
        guard outcome.isFinite(hasRange: format.scalesHaveRange) else {
          throw Self.unfit(
            floats, rows.count * columns, rows.lowerBound * columns, values.type.shape, format.name,
            overflowed: report.overflowCount > 0)
        }
        report.merge(outcome)
      }
    }
  }

  /// Runs of rows that cover some rows of a matrix; those that share scales stay together.
  private static func pieces(
    of rows: Range<Int>, sharing shared: Int, of count: Int, limit: Int
  ) -> [Range<Int>] {
    let step = max(1, limit / shared) * shared
    let start = rows.lowerBound / shared * shared
    return stride(from: start, to: rows.upperBound, by: step).map {
      let end = min($0 + step, (rows.upperBound + shared - 1) / shared * shared)
      return $0..<min(end, count)
    }
  }

  /// Copies what is wanted of packed rows.
  private func copy(
    _ made: UnsafeRawPointer, _ stride: Int, rows: Int, _ packed: PackedNode,
    _ geometry: MatrixGeometry, _ columns: Range<Int>, to target: MatrixBuffer
  ) {
    let cell = geometry.cellByteCount
    let start = packed.bytes.lowerBound + columns.lowerBound * cell
    for (place, row) in Swift.stride(from: 0, to: rows, by: packed.rowCount).enumerated() {
      target.advanced(rows: place).base.copyMemory(
        from: made + row * stride + start, byteCount: columns.count * cell)
    }
  }

  /// How far packed rows are from their values.
  private func errors(
    _ kernel: PackingKernel, _ values: UnsafePointer<Float>, _ packed: UnsafeRawPointer,
    _ stride: Int, _ method: QuantizationMethod, rows: Int, columns: Int, group: Int,
    _ arena: ScratchArena
  ) -> QuantizationErrors {
    var errors = wb_block_errors()
    var weighted = QuantizationErrors()
    arena.withPiece(byteCount: columns * 4) { piece in
      let decoded = piece.assumingMemoryBound(to: Float.self)
      for row in 0..<rows {
        kernel.dequantize(packed + row * stride, columns: columns, decoded)
        wb_value_errors_add(values + row * columns, decoded, columns, group, &errors)
        if let importance = method.importance {
          weighted.weigh(values + row * columns, decoded, importance, from: 0, columns)
        }
      }
    }
    var outcome = QuantizationErrors(errors)
    outcome.merge(weighted)
    return outcome
  }
}
