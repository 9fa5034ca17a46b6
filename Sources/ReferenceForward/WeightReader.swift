import FileContainers
import TensorEvaluation
import TensorModel

/// Reads weights as f32, whatever they are stored as, region by region.
final class WeightReader: Sendable {
  private let evaluator: TensorEvaluator
  private let checkpoint: Checkpoint
  private let workers: Workers
  private let scratch: [Scratch]
  private let checkCancellation: @Sendable () throws(CheckpointError) -> Void

  /// `@unchecked Sendable`: each worker has one of its own.
  private struct Scratch: @unchecked Sendable {
    let arena: ScratchArena
  }

  /// Reads a checkpoint.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - resources: memory and threads.
  ///   - other: with the same resources; never reads at the same time.
  /// - Throws: `inputOutput` if the system has no memory.
  init(
    _ reader: any CheckpointReader, _ resources: EvaluationResources,
    sharingBuffersWith other: WeightReader? = nil
  ) throws(CheckpointError) {
    evaluator = TensorEvaluator(reader)
    checkpoint = reader.checkpoint
    workers = Workers(count: resources.threads)
    let byteCount = evaluator.scratchByteCount
    var scratch = other?.scratch ?? []
    while scratch.count < resources.threads {
      scratch.append(Scratch(arena: try ScratchArena(byteCount: byteCount)))
    }
    self.scratch = scratch
    checkCancellation = resources.checkCancellation
  }

  /// A tensor as f32.
  func compiled(_ tensor: CanonicalTensor) throws(CheckpointError) -> CompiledExpression {
    do throws(CheckpointError) {
      return try CompiledExpression(.cast(tensor.expression, .f32), in: checkpoint)
    } catch { throw error.in(tensor: tensor.name) }
  }

  /// Reads a region with all threads; rows of the region follow each other without gaps.
  func read(
    _ expression: CompiledExpression, _ region: MatrixRegion, into buffer: FloatBuffer
  ) throws(CheckpointError) {
    try checkCancellation()
    let columns = region.columns.count
    let step = max(1, (1 << 20) / max(1, columns * 4))
    let pieces = (region.rows.count + step - 1) / step
    let base = UnsafeMutableRawPointer(buffer.base)
    nonisolated(unsafe) let target = base  // Each worker writes rows of its own.
    try workers.forEach(pieces) { (piece, worker) throws(CheckpointError) in
      let first = region.rows.lowerBound + piece * step
      let rows = first..<min(region.rows.upperBound, first + step)
      _ = try evaluator.evaluate(
        expression, MatrixRegion(rows: rows, columns: region.columns),
        into: MatrixBuffer(base: target + piece * step * columns * 4, rowStride: columns * 4),
        scratch: scratch[worker].arena)
    }
  }

  /// Reads a whole tensor as it is stored, or as f32 what products don't take, with all threads.
  func readStored(
    _ tensor: CanonicalTensor
  ) throws(CheckpointError) -> (bytes: FloatBuffer, dtype: DType) {
    let expression: CompiledExpression
    do throws(CheckpointError) {
      let stored = try CompiledExpression(tensor.expression, in: checkpoint)
      // Kernels know no blocks, and no floats of a byte.
      let isKnown = [.f64, .f32, .f16, .bf16].contains(stored.type.dtype)
      expression = isKnown ? stored : try compiled(tensor)
    } catch { throw error.in(tensor: tensor.name) }
    let (dtype, geometry) = (expression.type.dtype, expression.geometry)
    let buffer = try FloatBuffer((geometry.rows * geometry.rowByteCount + 3) / 4)
    nonisolated(unsafe) let target = UnsafeMutableRawPointer(buffer.base)  // As in `read`.
    let step = max(1, (1 << 20) / max(1, geometry.rowByteCount))
    try workers.forEach((geometry.rows + step - 1) / step) {
      (piece, worker) throws(CheckpointError) in
      let rows = piece * step..<min(geometry.rows, (piece + 1) * step)
      _ = try evaluator.evaluate(
        expression, MatrixRegion(rows: rows, columns: 0..<geometry.columns),
        into: MatrixBuffer(
          base: target + rows.lowerBound * geometry.rowByteCount, rowStride: geometry.rowByteCount),
        scratch: scratch[worker].arena)
    }
    return (buffer, dtype)
  }

  /// Divides work among the threads.
  func forEach(
    _ count: Int, _ body: @Sendable (Int) -> Void
  ) throws(CheckpointError) {
    try workers.forEach(count) { (index, _) throws(CheckpointError) in body(index) }
  }

  /// A small tensor, whole.
  func values(_ tensor: CanonicalTensor) throws(CheckpointError) -> FloatBuffer {
    let expression = try compiled(tensor)
    let buffer = try FloatBuffer(tensor.shape.elementCount)
    try read(expression, expression.geometry.whole, into: buffer)
    return buffer
  }
}
