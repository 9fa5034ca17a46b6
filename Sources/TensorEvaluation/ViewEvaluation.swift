import FileContainers
import TensorModel

extension TensorEvaluator {
  /// Writes the bytes of a matrix's rows as cells of another size.
  ///
  /// - Throws: what the reader throws.
  func view(
    _ operand: Node, _ geometry: MatrixGeometry, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let columns = operand.geometry.columns
    guard region.columns.count < geometry.columns else {
      try evaluate(
        operand, MatrixRegion(rows: region.rows, columns: 0..<columns), destination, scratch,
        &report)
      return
    }
    // Cells of the operand that hold some of the bytes.
    let (cell, theirs) = (geometry.cellByteCount, operand.geometry.cellByteCount)
    let first = region.columns.lowerBound * cell / theirs
    let end = (region.columns.upperBound * cell + theirs - 1) / theirs
    let skipped = region.columns.lowerBound * cell - first * theirs
    let wide = MatrixRegion(rows: region.rows, columns: first..<end)
    let byteCount = (end - first) * theirs
    for row in wide.rows {
      try scratch.withPiece(byteCount: byteCount) { (piece) throws(CheckpointError) in
        try evaluate(
          operand, MatrixRegion(rows: row..<row + 1, columns: wide.columns),
          MatrixBuffer(base: piece, rowStride: byteCount), scratch, &report)
        destination.advanced(rows: row - region.rows.lowerBound).base.copyMemory(
          from: piece + skipped, byteCount: region.columns.count * cell)
      }
    }
  }
}
