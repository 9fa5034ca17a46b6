import CTensorKernels
import FileContainers
import TensorModel

extension TensorEvaluator {
  /// Writes a region of a tensor whose operand has the same cells in rows of another length.
  ///
  /// - Throws: what the reader throws.
  func reshape(
    _ operand: Node, _ geometry: MatrixGeometry, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    guard operand.geometry != geometry else {
      return try evaluate(operand, region, destination, scratch, &report)
    }
    for run in geometry.runs(region, destination) {
      try evaluate(operand, cells: run.cells, into: run.base, scratch, &report)
    }
  }

  /// Writes cells that follow each other, across rows, without gaps.
  func evaluate(
    _ node: Node, cells: Range<Int>, into base: UnsafeMutableRawPointer, _ scratch: ScratchArena,
    _ report: inout CastReport
  ) throws(CheckpointError) {
    let (columns, cell) = (max(1, node.geometry.columns), node.geometry.cellByteCount)
    var position = cells.lowerBound
    while position < cells.upperBound {
      let (row, column) = position.quotientAndRemainder(dividingBy: columns)
      let left = cells.upperBound - position
      // The rest of a row, or rows.
      let rowCount = column == 0 ? max(1, left / columns) : 1
      let columnCount = min(columns - column, left)
      try evaluate(
        node,
        MatrixRegion(rows: row..<row + rowCount, columns: column..<column + columnCount),
        MatrixBuffer(
          base: base + (position - cells.lowerBound) * cell, rowStride: columnCount * cell),
        scratch, &report)
      position += rowCount * columnCount
    }
  }
}

extension MatrixGeometry {
  /// A region as runs of cells that follow each other both in the tensor and in memory.
  func runs(
    _ region: MatrixRegion, _ destination: MatrixBuffer
  ) -> [(cells: Range<Int>, base: UnsafeMutableRawPointer)] {
    let isWhole =
      region.columns.count == columns && destination.rowStride == rowByteCount
    let count = isWhole ? 1 : region.rows.count
    let length = isWhole ? region.cellCount : region.columns.count
    return (0..<count).map { index in
      let first = (region.rows.lowerBound + index) * columns + region.columns.lowerBound
      return (first..<first + length, destination.advanced(rows: index).base)
    }
  }
}
