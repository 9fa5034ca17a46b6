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
  private func evaluate(
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

  /// Writes blocks of MXFP4, made of codes and scales.
  ///
  /// - Throws: what the reader throws.
  func joinBlocks(
    _ codes: Node, _ scales: Node, _ region: MatrixRegion, _ destination: MatrixBuffer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let codeByteCount = DType.mxfp4.blockElementCount / 2
    let (rows, step) = (region.rows, max(1, tileByteCount / codeByteCount))
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
      let blocks = first..<min(first + step, rows.upperBound)
      let target = destination.advanced(rows: first - rows.lowerBound)
      try scratch.withPiece(byteCount: blocks.count * codeByteCount) {
        (piece) throws(CheckpointError) in
        try evaluate(
          codes, cells: blocks.lowerBound * codeByteCount..<blocks.upperBound * codeByteCount,
          into: piece, scratch, &report)
        try scratch.withPiece(byteCount: blocks.count) { (factors) throws(CheckpointError) in
          try evaluate(scales, cells: blocks, into: factors, scratch, &report)
          wb_mxfp4_join(
            piece, factors, blocks.count, target.base, target.rowStride)
        }
      }
    }
  }

  /// Writes the codes of blocks of MXFP4, or their scales.
  ///
  /// - Throws: what the reader throws.
  func splitBlocks(
    _ operand: Node, takesCodes: Bool, _ geometry: MatrixGeometry, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let width = takesCodes ? DType.mxfp4.blockElementCount / 2 : 1
    let size = DType.mxfp4.blockByteCount
    let step = max(1, tileByteCount / size)
    for run in geometry.runs(region, destination) {
      var position = run.cells.lowerBound
      while position < run.cells.upperBound {
        let first = position / width
        let end = min(run.cells.upperBound, (first + step) * width)
        let blocks = first..<(end + width - 1) / width
        try scratch.withPiece(byteCount: blocks.count * size) {
          (stored) throws(CheckpointError) in
          try evaluate(operand, cells: blocks, into: stored, scratch, &report)
          try scratch.withPiece(byteCount: blocks.count * width) {
            (piece) throws(CheckpointError) in
            wb_mxfp4_split(
              stored, blocks.count, takesCodes ? piece : nil, takesCodes ? nil : piece)
            (run.base + (position - run.cells.lowerBound)).copyMemory(
              from: piece + (position - first * width), byteCount: end - position)
          }
        }
        position = end
      }
    }
  }
}

extension MatrixGeometry {
  /// A region as runs of cells that follow each other both in the tensor and in memory.
  fileprivate func runs(
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
