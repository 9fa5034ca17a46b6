import FileContainers
import Synchronization
public import TensorModel

/// Evaluates the regions of a pipeline's slabs over another checkpoint, so that who takes the slabs sees both side by side.
///
/// The tasks should know their counterparts, so that slabs are cut to suit both.
public final class CounterpartEvaluator: Sendable {
  private let evaluator: TensorEvaluator
  private let expressions: [CompiledExpression]
  private let slabByteCount: Int
  private let idle = Mutex<[Room]>([])

  /// Memory of one thread.
  ///
  /// `@unchecked Sendable`: it is either idle or with the one thread that took it out.
  private struct Room: @unchecked Sendable {
    let scratch: ScratchArena
    var buffer: ScratchArena
  }

  /// An evaluator.
  ///
  /// - Parameters:
  ///   - reader: of the other checkpoint.
  ///   - expressions: the tasks' counterparts, of the same geometry, over that checkpoint.
  ///   - resources: as the pipeline has them: as much memory is used here.
  public init(
    _ reader: any CheckpointReader, _ expressions: [CompiledExpression],
    _ resources: EvaluationResources
  ) {
    evaluator = resources.evaluator(
      reader, gathers: expressions.contains { $0.quantizes && $0.root.transposes })
    self.expressions = expressions
    slabByteCount = resources.slabByteCount(
      transposing: expressions.contains { $0.root.transposes })
  }

  /// Evaluates a slab's region of the task's counterpart.
  ///
  /// - Parameters:
  ///   - slab: of the pipeline's.
  ///   - body: is lent as many bytes as the slab has.
  /// - Returns: what `body` returns.
  /// - Throws: what the reader throws; `inputOutput` without memory.
  public func withCounterpart<Result>(
    of slab: EvaluatedSlab, _ body: (UnsafeRawBufferPointer) -> Result
  ) throws(CheckpointError) -> Result {
    try withCounterpart(slab.region, at: slab.index, byteCount: slab.bytes.count, body)
  }

  /// Evaluates a region of a counterpart.
  ///
  /// - Parameters:
  ///   - region: of the counterpart's geometry.
  ///   - place: of the counterpart among the expressions.
  ///   - byteCount: of the region.
  ///   - body: is lent as many bytes.
  /// - Returns: what `body` returns.
  /// - Throws: what the reader throws; `inputOutput` without memory.
  public func withCounterpart<Result>(
    _ region: MatrixRegion, at place: Int, byteCount: Int,
    _ body: (UnsafeRawBufferPointer) -> Result
  ) throws(CheckpointError) -> Result {
    let expression = expressions[place]
    var room = try takeRoom(byteCount: byteCount)
    defer { idle.withLock { [room] in $0.append(room) } }
    if ScratchArena.rounded(byteCount) > room.buffer.byteCount {
      room.buffer = try ScratchArena(byteCount: ScratchArena.rounded(byteCount))
    }
    return try room.buffer.withPiece(byteCount: byteCount) { (piece) throws(CheckpointError) in
      let stride = region.columns.count * expression.geometry.cellByteCount
      _ = try evaluator.evaluate(
        expression, region, into: MatrixBuffer(base: piece, rowStride: stride),
        scratch: room.scratch)
      return body(UnsafeRawBufferPointer(start: piece, count: byteCount))
    }
  }

  /// Makes sure that what was read for a task's counterpart is right.
  ///
  /// - Throws: what the reader throws.
  public func confirm(_ task: Int) throws(CheckpointError) {
    for position in expressions[task].storedPositions { try evaluator.confirm(position) }
  }

  private func takeRoom(byteCount: Int) throws(CheckpointError) -> Room {
    if let room = idle.withLock({ $0.popLast() }) { return room }
    // Buffers of one size are used again by the next evaluator.
    return Room(
      scratch: try ScratchArena(byteCount: evaluator.scratchByteCount),
      buffer: try ScratchArena(byteCount: ScratchArena.rounded(max(byteCount, slabByteCount))))
  }
}
