import CTensorKernels
import FileContainers
import TensorModel

extension TensorEvaluator {
  /// Writes some bytes of the packed rows of a matrix.
  ///
  /// - Parameters:
  ///   - values: of the matrix, F32, whatever dtype they had.
  ///   - format: what they are packed in.
  ///   - dtype: theirs before, and that of scales and biases.
  ///   - bytes: of a packed row: all, or those of one part.
  ///   - geometry: of the result, whose cells are these bytes.
  ///   - region: of the result.
  ///   - destination: room for the region.
  ///   - scratch: for values and whole rows.
  ///   - report: takes in how far codes and values are apart.
  /// - Throws: `malformed` for values that are no numbers, `overflow` for those that are too large; what the reader throws.
  func pack(
    _ values: Node, _ format: PackedFormat, _ dtype: DType, _ bytes: Range<Int>,
    _ geometry: MatrixGeometry, _ region: MatrixRegion, _ destination: MatrixBuffer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    guard let kernel = format.kernelFormat(dtype) else {
      throw CheckpointError(.unsupported, "\(format) isn't made of \(dtype.rawValue)")
    }
    let columns = values.geometry.columns
    let rowByteCount = wb_mlx_row_byte_count(kernel, columns)
    let isWhole = bytes.count == rowByteCount && region.columns.count == geometry.columns
    let isDirect = isWhole && destination.rowStride.isMultiple(of: 4)
    let limit = (values.transposes ? gatheredByteCount : tileByteCount) / (isDirect ? 1 : 2)
    let step = max(1, limit / (columns * 4))
    let cell = geometry.cellByteCount
    let wanted =
      bytes.lowerBound + region.columns.lowerBound * cell..<bytes.lowerBound
      + region.columns.upperBound * cell
    for first in stride(from: region.rows.lowerBound, to: region.rows.upperBound, by: step) {
      let rows = first..<min(first + step, region.rows.upperBound)
      let valueByteCount = rows.count * columns * 4
      // A row stays whole, and may be larger than what pieces are cut to.
      let arena =
        valueByteCount <= limit ? scratch : try ScratchArena(byteCount: 4 * valueByteCount)
      let target = destination.advanced(rows: first - region.rows.lowerBound)
      try arena.withPiece(byteCount: valueByteCount) { (piece) throws(CheckpointError) in
        try evaluateElements(
          values, rows.lowerBound * columns..<rows.upperBound * columns, piece, scratch, &report)
        let floats = UnsafePointer(piece.assumingMemoryBound(to: Float.self))
        let outcome = arena.withPiece(byteCount: isDirect ? 0 : rows.count * rowByteCount) {
          spare in
          let packed = isDirect ? target.base : spare
          let stride = isDirect ? target.rowStride : rowByteCount
          wb_mlx_quantize(kernel, floats, rows.count, columns, packed, stride)
          if !isDirect {
            for row in 0..<rows.count {
              target.advanced(rows: row).base.copyMemory(
                from: packed + row * rowByteCount + wanted.lowerBound, byteCount: wanted.count)
            }
          }
          return errors(
            kernel, floats, packed, stride, rows: rows.count, columns: columns, arena)
        }
        guard outcome.isFinite(withPowersOfTwo: format.coding.hasPowersOfTwo) else {
          throw Self.unfit(
            floats, rows.count * columns, rows.lowerBound * columns, values.type.shape, format.name)
        }
        report.merge(outcome)
      }
    }
  }

  /// How far packed rows are from their values.
  private func errors(
    _ kernel: wb_mlx_format, _ values: UnsafePointer<Float>, _ packed: UnsafeMutableRawPointer,
    _ stride: Int, rows: Int, columns: Int, _ arena: ScratchArena
  ) -> QuantizationErrors {
    var errors = wb_block_errors()
    arena.withPiece(byteCount: columns * 4) { piece in
      let decoded = piece.assumingMemoryBound(to: Float.self)
      for row in 0..<rows {
        wb_mlx_dequantize(kernel, packed + row * stride, stride, 1, columns, decoded)
        wb_value_errors_add(
          values + row * columns, decoded, columns, Int(kernel.group), &errors)
      }
    }
    return QuantizationErrors(errors)
  }
}

extension PackedFormat {
  /// The kernels' description of the format with scales of a dtype; nil for dtypes that aren't packed.
  fileprivate func kernelFormat(_ dtype: DType) -> wb_mlx_format? {
    guard let float = dtype.kernelType, float != WB_F64 else { return nil }
    let mode =
      switch coding {
      case .affine: WB_MLX_AFFINE
      case .mxfp4: WB_MLX_MXFP4
      case .nvfp4: WB_MLX_NVFP4
      case .mxfp8: WB_MLX_MXFP8
      }
    return wb_mlx_format(
      mode: mode, bits: UInt32(bits), group: UInt32(groupSize), dtype: float)
  }
}

extension PackedFormat.Coding {
  /// Whether scales reach as far as values do.
  fileprivate var hasPowersOfTwo: Bool { self == .mxfp4 || self == .mxfp8 }
}
