import CTensorKernels
import FileContainers
public import TensorModel

/// A finite value that a cast made infinite.
public struct Overflow: Hashable, Sendable {
  /// Its place in the tensor, one index for each dimension.
  public let index: [Int]
  /// What it was.
  public let value: Double

  /// Finds the first one, in row-major order, by evaluating the tensor again; slow, for the message only.
  ///
  /// - Parameters:
  ///   - expression: a cast, or one that is packed.
  ///   - reader: of the checkpoint.
  /// - Returns: nil if there is none.
  /// - Throws: what the reader throws.
  public static func first(
    in expression: TensorExpression, _ reader: any CheckpointReader
  ) throws(CheckpointError) -> Overflow? {
    if case .pack(let values, _, _) = expression { return try first(in: values, reader) }
    guard case .cast(let operand, let dtype) = expression else { return nil }
    var exact = try CompiledExpression(operand, in: reader.checkpoint)
    if exact.type.dtype.isBlockQuantized {
      // F32 has all values of blocks.
      exact = try CompiledExpression(.cast(operand, .f32), in: reader.checkpoint)
    }
    guard let from = exact.type.dtype.kernelType, let to = dtype.kernelType else { return nil }
    let evaluator = TensorEvaluator(reader, tileByteCount: TensorEvaluator.minimumTileByteCount)
    let scratch = try ScratchArena(byteCount: evaluator.scratchByteCount)
    let cell = exact.geometry.cellByteCount
    let limit = TensorEvaluator.minimumTileByteCount
    let (input, output) = (
      try ScratchArena(byteCount: ScratchArena.rounded(limit)),
      try ScratchArena(byteCount: ScratchArena.rounded(limit * 4))
    )
    for tile in exact.geometry.whole.tiles(cellByteCount: cell, limit: limit) {
      let stride = tile.columns.count * cell
      let found = try input.withPiece(byteCount: tile.rows.count * stride) {
        (piece) throws(CheckpointError) -> wb_cast_report in
        _ = try evaluator.evaluate(
          exact, tile, into: MatrixBuffer(base: piece, rowStride: stride), scratch: scratch)
        return output.withPiece(byteCount: tile.cellCount * dtype.blockByteCount) { target in
          var report = wb_cast_report()
          wb_cast(from, to, piece, target, tile.cellCount, &report)
          return report
        }
      }
      if found.overflow_count > 0 {
        let place = Int(found.first_overflow)
        let row = tile.rows.lowerBound + place / tile.columns.count
        let column = tile.columns.lowerBound + place % tile.columns.count
        return Overflow(
          index: exact.type.shape.index(of: row * exact.geometry.columns + column),
          value: found.first_overflow_value)
      }
    }
    return nil
  }
}
