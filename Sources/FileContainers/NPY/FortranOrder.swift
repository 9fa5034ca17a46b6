import CTensorKernels
import TensorModel

// Arrays stored with the first index fastest: to us, the transposed matrix.
//
// A row of our matrix is the first index i; a column c stands for all others (j, k, ...), the last fastest. In the file lie, one
// after the other, runs of all i for fixed others, ordered with j fastest: so run s(c) holds column c, and s(c) = c only if there
// are two dimensions. Tiles of runs are read and transposed.

extension NPYArray {
  private static let tileByteCount = 256 << 10
  /// A tile has at least so many columns where there are that many, so that rows of the destination are written in runs.
  private static let leastTileColumns = 16

  func readTransposing(
    _ geometry: MatrixGeometry, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let cell = geometry.cellByteCount
    let tileCells = Self.tileByteCount / cell
    let columnStep = Swift.min(region.columns.count, Self.leastTileColumns)
    let rowStep = Swift.min(region.rows.count, tileCells / columnStep)
    let pages = try Pages(byteCount: Self.tileByteCount)
    defer { withExtendedLifetime(pages) {} }
    let tile = pages.base
    for firstRow in stride(from: region.rows.lowerBound, to: region.rows.upperBound, by: rowStep) {
      let rows = firstRow..<Swift.min(firstRow + rowStep, region.rows.upperBound)
      let columnsInTile = tileCells / rows.count
      for firstColumn in stride(
        from: region.columns.lowerBound, to: region.columns.upperBound, by: columnsInTile)
      {
        let columns =
          firstColumn..<Swift.min(
            firstColumn + columnsInTile, region.columns.upperBound)
        try readRuns(columns, rows, geometry, into: tile)
        let corner = destination.advanced(
          rows: rows.lowerBound - region.rows.lowerBound,
          bytes: (columns.lowerBound - region.columns.lowerBound) * cell)
        wb_transpose(
          tile, rows.count * cell, corner.base, corner.rowStride, columns.count, rows.count, cell)
      }
    }
  }

  /// Copies some rows of some columns, each column a run.
  private func readRuns(
    _ columns: Range<Int>, _ rows: Range<Int>, _ geometry: MatrixGeometry,
    into tile: UnsafeMutableRawPointer
  ) throws(CheckpointError) {
    let cell = geometry.cellByteCount
    let runByteCount = rows.count * cell
    if header.shape.rank == 2, rows.count == geometry.rows {
      // Whole columns next to each other.
      try contents.read(
        at: header.dataOffset + columns.lowerBound * runByteCount, into: tile,
        count: columns.count * runByteCount)
      return
    }
    for (index, column) in columns.enumerated() {
      let start = storedRun(of: column) * geometry.rows + rows.lowerBound
      try contents.read(
        at: header.dataOffset + start * cell, into: tile + index * runByteCount,
        count: runByteCount)
    }
  }

  /// The place in the file, in runs, of a column.
  private func storedRun(of column: Int) -> Int {
    // The digits of `column` in the mixed base of the extents after the first, weighed in the opposite order.
    var rest = column
    var weight = header.shape.dimensions[1...].reduce(1, *)
    var run = 0
    for extent in header.shape.dimensions[1...].reversed() {
      weight /= extent
      run += rest % extent * weight
      rest /= extent
    }
    return run
  }
}
