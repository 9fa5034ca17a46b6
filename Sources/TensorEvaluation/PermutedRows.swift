import FileContainers
import TensorModel

extension TensorEvaluator {
  /// Writes rows of the operand in another order.
  ///
  /// Rows that are columns of something else are read many at a time: a block of rows around those that are wanted, of which some are then taken.
  ///
  /// - Throws: what the reader throws.
  func permute(
    _ operand: Node, _ permutation: RowPermutation, unit: Int, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    let runs = permutation.runs(region.rows, unit: unit)
    guard operand.transposes, runs.count > Self.fewRuns else {
      for run in runs {
        try evaluate(
          operand, MatrixRegion(rows: run.source, columns: region.columns),
          destination.advanced(rows: run.first - region.rows.lowerBound), scratch, &report)
      }
      return
    }
    var position = runs.startIndex
    while position < runs.endIndex {
      let block = Self.block(of: runs[position...])
      let cell = operand.geometry.cellByteCount
      let width = max(
        1, min(region.columns.count, tileByteCount / max(1, block.rows.count * cell)))
      for first in stride(
        from: region.columns.lowerBound, to: region.columns.upperBound, by: width)
      {
        let columns = first..<min(first + width, region.columns.upperBound)
        let rowByteCount = columns.count * cell
        try scratch.withPiece(byteCount: block.rows.count * rowByteCount) {
          (piece) throws(CheckpointError) in
          try evaluate(
            operand, MatrixRegion(rows: block.rows, columns: columns),
            MatrixBuffer(base: piece, rowStride: rowByteCount), scratch, &report)
          for run in runs[position..<block.end] {
            for offset in 0..<run.source.count {
              let from = run.source.lowerBound + offset - block.rows.lowerBound
              destination.advanced(
                rows: run.first + offset - region.rows.lowerBound,
                bytes: (first - region.columns.lowerBound) * cell
              ).base.copyMemory(from: piece + from * rowByteCount, byteCount: rowByteCount)
            }
          }
        }
      }
      position = block.end
    }
  }

  /// So few runs are read one by one.
  private static let fewRuns = 4
  /// Rows of a block at most.
  private static let blockRowCount = 2048
  /// How many times as many rows a block may have as are taken of it.
  private static let largestExcess = 4

  /// As many of some runs as lie close together, and the rows around them.
  private static func block(
    of runs: ArraySlice<(first: Int, source: Range<Int>)>
  ) -> (rows: Range<Int>, end: Int) {
    var (rows, taken, end) = (runs[runs.startIndex].source, 0, runs.startIndex)
    for (index, run) in zip(runs.indices, runs) {
      let lower = min(rows.lowerBound, run.source.lowerBound)
      let upper = max(rows.upperBound, run.source.upperBound)
      let wider = lower..<upper
      let isClose =
        wider.count <= blockRowCount
        && wider.count <= largestExcess * (taken + run.source.count)
      guard isClose || index == runs.startIndex else { break }
      (rows, taken, end) = (wider, taken + run.source.count, index + 1)
    }
    return (rows, end)
  }
}
