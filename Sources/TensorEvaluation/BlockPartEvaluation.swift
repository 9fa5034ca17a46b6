import CTensorKernels
import FileContainers
import TensorModel

extension TensorEvaluator {
  /// Writes blocks, made of their parts.
  ///
  /// Parts are those of `BlockParts`; a cell of the result is a block.
  ///
  /// - Throws: what the reader throws.
  func joinBlocks(
    _ parts: [Node], _ dtype: DType, _ region: MatrixRegion, _ destination: MatrixBuffer,
    _ scratch: ScratchArena, _ report: inout CastReport
  ) throws(CheckpointError) {
    guard let format = BlockParts(dtype), let type = dtype.blockType else { return }
    let widths = zip(format.parts, parts).map { format.cells(of: $0) * $1.geometry.cellByteCount }
    let blockByteCount = widths.reduce(0, +)
    let (rows, step) = (region.rows, max(1, tileByteCount / blockByteCount))
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
      let blocks = first..<min(first + step, rows.upperBound)
      let target = destination.advanced(rows: first - rows.lowerBound)
      try scratch.withPiece(byteCount: blocks.count * blockByteCount) {
        (piece) throws(CheckpointError) in
        var starts: [UnsafeMutableRawPointer] = []
        var start = piece
        for (index, part) in parts.enumerated() {
          let cells = format.cells(of: format.parts[index])
          try evaluate(
            part, cells: blocks.lowerBound * cells..<blocks.upperBound * cells, into: start,
            scratch, &report)
          starts.append(start)
          start += blocks.count * widths[index]
        }
        wb_blocks_join(
          type, starts[0], starts[1], starts.count > 2 ? starts[2] : nil, blocks.count,
          target.base, target.rowStride)
      }
    }
  }

  /// Writes a part of blocks.
  ///
  /// A cell of the operand is a block; they follow each other.
  ///
  /// - Throws: what the reader throws.
  func splitBlocks(
    _ operand: Node, _ part: PackedFormat.Part, _ geometry: MatrixGeometry,
    _ region: MatrixRegion, _ destination: MatrixBuffer, _ scratch: ScratchArena,
    _ report: inout CastReport
  ) throws(CheckpointError) {
    let dtype = operand.type.dtype
    guard let format = BlockParts(dtype), let type = dtype.blockType else { return }
    let (width, cell) = (format.cells(of: part), geometry.cellByteCount)
    let size = dtype.blockByteCount
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
          scratch.withPiece(byteCount: blocks.count * width * cell) { piece in
            wb_blocks_split(
              type, stored, blocks.count, part == .codes ? piece : nil,
              part == .scales ? piece : nil, part == .biases ? piece : nil)
            (run.base + (position - run.cells.lowerBound) * cell).copyMemory(
              from: piece + (position - first * width) * cell, byteCount: (end - position) * cell)
          }
        }
        position = end
      }
    }
  }
}

extension BlockParts {
  /// Cells of a part in each block.
  fileprivate func cells(of part: PackedFormat.Part) -> Int { part == .codes ? codeByteCount : 1 }
}
