import FileContainers
import Synchronization
public import TensorEvaluation
public import TensorModel

/// Evaluates regions for whoever asks, from any thread; memory is kept from call to call.
public final class PooledEvaluator: Sendable {
  /// What an intermediate result takes: each thread has some of them beside its own.
  private static let tileByteCount = 256 << 10

  private let evaluator: TensorEvaluator
  private let idle = Mutex<[Lent]>([])

  /// `@unchecked Sendable`: memory is either in the pool or with the one thread that took it out.
  private struct Lent: @unchecked Sendable {
    let scratch: ScratchArena
  }

  /// Evaluates over a checkpoint's tensors.
  public init(_ reader: any CheckpointReader) {
    evaluator = TensorEvaluator(reader, tileByteCount: Self.tileByteCount)
  }

  /// Writes a region of an expression's result.
  ///
  /// - Throws: what the reader throws, `inputOutput` without memory.
  public func evaluate(
    _ expression: CompiledExpression, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let lent: Lent
    if let known = idle.withLock({ $0.popLast() }) {
      lent = known
    } else {
      lent = Lent(scratch: try ScratchArena(byteCount: evaluator.scratchByteCount))
    }
    defer { idle.withLock { $0.append(lent) } }
    _ = try evaluator.evaluate(expression, region, into: destination, scratch: lent.scratch)
  }
}
