import CTensorKernels
import FileContainers
import TensorModel

// Sums, and whatever else combines F32 operands element by element.

extension TensorEvaluator {
  /// Adds operands up in F32, in order.
  ///
  /// - Throws: what the reader throws.
  func sum(
    _ parts: [Node], _ region: MatrixRegion, _ destination: MatrixBuffer, _ scratch: ScratchArena,
    _ report: inout CastReport
  ) throws(CheckpointError) {
    guard let first = parts.first else { return }
    try evaluate(first, region, destination, scratch, &report)
    for part in parts.dropFirst() {
      // Such sums are what the expression asks for; but a constant that is added to stored values changes them, and shall be taken back.
      let isConstant = if case .fill = part.operation { Self.isStored(first) } else { false }
      let combination: Combination =
        if isConstant { Self.addReporting } else {
          { sum, addend, count, _ in wb_add_f32(sum, addend, count) }
        }
      try accumulate(part, combination, region, destination, scratch, &report)
    }
  }

  /// Combines so many elements of a row with those of an operand, and says what that rounded off where that counts.
  typealias Combination = (
    UnsafeMutablePointer<Float>, UnsafePointer<Float>, Int, inout CastReport
  ) -> Void

  /// Combines what is at the destination with a region of an operand, in tiles; all are F32.
  ///
  /// - Throws: what the reader throws.
  func accumulate(
    _ operand: Node, _ combine: Combination, _ region: MatrixRegion,
    _ destination: MatrixBuffer, _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    for tile in region.tiles(cellByteCount: 4, limit: tileByteCount) {
      let rowBytes = tile.columns.count * 4
      try scratch.withPiece(byteCount: tile.rows.count * rowBytes) {
        (piece) throws(CheckpointError) in
        try evaluate(
          operand, tile, MatrixBuffer(base: piece, rowStride: rowBytes), scratch, &report)
        let target = destination.advanced(to: tile, in: region, cellByteCount: 4)
        for row in 0..<tile.rows.count {
          combine(
            target.advanced(rows: row).base.assumingMemoryBound(to: Float.self),
            (piece + row * rowBytes).assumingMemoryBound(to: Float.self), tile.columns.count,
            &report)
        }
      }
    }
  }

  /// Whether values are those of a tensor, as wide as it may be.
  private static func isStored(_ node: Node) -> Bool {
    switch node.operation {
    case .stored: true
    case .cast(let operand): isStored(operand)
    default: false
    }
  }

  /// Adds a vector to each row of what is at the destination; both are F32.
  ///
  /// - Throws: what the reader throws.
  func add(
    _ row: Node, _ region: MatrixRegion, _ destination: MatrixBuffer, _ scratch: ScratchArena,
    _ report: inout CastReport
  ) throws(CheckpointError) {
    // Columns in runs that fit a tile; the row is a vector, so its elements are rows of one cell.
    let runs = MatrixRegion(rows: 0..<1, columns: region.columns)
      .tiles(cellByteCount: 4, limit: tileByteCount)
    for run in runs {
      try scratch.withPiece(byteCount: run.columns.count * 4) { (piece) throws(CheckpointError) in
        let elements = MatrixRegion(rows: run.columns, columns: 0..<1)
        try evaluate(row, elements, MatrixBuffer(base: piece, rowStride: 4), scratch, &report)
        let offset = (run.columns.lowerBound - region.columns.lowerBound) * 4
        for index in 0..<region.rows.count {
          wb_add_f32(
            destination.advanced(rows: index, bytes: offset).base
              .assumingMemoryBound(to: Float.self),
            piece.assumingMemoryBound(to: Float.self), run.columns.count)
        }
      }
    }
  }

  private static func addReporting(
    _ accumulator: UnsafeMutablePointer<Float>, _ addend: UnsafePointer<Float>, _ count: Int,
    _ report: inout CastReport
  ) {
    var outcome = wb_cast_report()
    wb_add_reporting_f32(accumulator, addend, count, &outcome)
    report.merge(outcome)
  }
}
