import CBLAS
import CTensorKernels
import FileContainers
import ModelArchitectures
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

  init(_ reader: any CheckpointReader, _ resources: EvaluationResources) {
    evaluator = TensorEvaluator(reader)
    checkpoint = reader.checkpoint
    workers = Workers(count: resources.threads)
    let byteCount = evaluator.scratchByteCount
    scratch = (0..<resources.threads).map { _ in
      Scratch(arena: ScratchArena(byteCount: byteCount))
    }
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

  /// A small tensor, whole.
  func values(_ tensor: CanonicalTensor) throws(CheckpointError) -> FloatBuffer {
    let expression = try compiled(tensor)
    let buffer = FloatBuffer(tensor.shape.elementCount)
    try read(expression, expression.geometry.whole, into: buffer)
    return buffer
  }
}

/// y = x · Wᵀ + b, the weight read slab by slab, or kept as it is stored.
struct Linear: Sendable {
  let inputs: Int
  let outputs: Int
  private let expression: CompiledExpression
  private let orientation: DecoderRole.Orientation
  private let bias: FloatBuffer?
  private let reader: WeightReader

  /// Widened weights under way at a time.
  private static let slabElementCount = 8 << 20

  init(
    _ weight: CanonicalTensor, _ orientation: DecoderRole.Orientation, bias: CanonicalTensor?,
    _ reader: WeightReader
  ) throws(CheckpointError) {
    self.reader = reader
    self.orientation = orientation
    expression = try reader.compiled(weight)
    let (first, second) = (weight.shape.dimensions[0], weight.shape.dimensions[1])
    (inputs, outputs) = orientation == .outIn ? (second, first) : (first, second)
    var values: FloatBuffer?
    if let bias { values = try reader.values(bias) }
    self.bias = values
  }

  /// Computes the outputs of some rows.
  ///
  /// - Parameters:
  ///   - x: `[count, inputs]`.
  ///   - count: of rows.
  ///   - y: room for `[count, outputs]`.
  ///   - slab: room for weights, reused.
  func apply(
    _ x: FloatBuffer, _ count: Int, into y: FloatBuffer, _ slab: FloatBuffer
  ) throws(CheckpointError) {
    y.resize(count * outputs)
    try forEachSlab(slab) { (range, weights) in
      switch orientation {
      case .outIn:
        wb_sgemm(
          false, true, count, range.count, inputs, 1, x.base, inputs, weights, inputs, 0,
          y.base + range.lowerBound, outputs)
      case .inOut:
        wb_sgemm(
          false, false, count, range.count, inputs, 1, x.base, inputs, weights, range.count, 0,
          y.base + range.lowerBound, outputs)
      }
    }
    addBias(to: y, count)
  }

  /// Calls a body with the widened weights of one range of outputs after the other.
  private func forEachSlab(
    _ slab: FloatBuffer, _ body: (Range<Int>, UnsafePointer<Float>) -> Void
  ) throws(CheckpointError) {
    let step = max(1, min(outputs, Self.slabElementCount / max(1, inputs)))
    slab.resize(step * inputs)
    for first in stride(from: 0, to: outputs, by: step) {
      let range = first..<min(outputs, first + step)
      let region =
        orientation == .outIn
        ? MatrixRegion(rows: range, columns: 0..<inputs)
        : MatrixRegion(rows: 0..<inputs, columns: range)
      try reader.read(expression, region, into: slab)
      body(range, slab.base)
    }
  }

  private func addBias(to y: FloatBuffer, _ count: Int) {
    guard let bias else { return }
    for row in 0..<count { wb_add_f32(y.base + row * outputs, bias.base, outputs) }
  }
}
