import FileContainers
import Synchronization
import TensorModel

/// Collects what came of evaluated tensors, and nothing else.
public final class DigestCollector: EvaluationConsumer {
  private let finished = Mutex<[Int: EvaluatedTensor]>([:])
  private let statistics: StatisticsCollector?
  private let progress: @Sendable (Int) -> Void

  /// A collector.
  ///
  /// - Parameters:
  ///   - statistics: is given all bytes in order, if there is one.
  ///   - progress: told of bytes that went by.
  public init(
    statistics: StatisticsCollector? = nil, progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    self.statistics = statistics
    self.progress = progress
  }

  /// Counts.
  public func receive(_ slab: EvaluatedSlab, waiting: Bool) -> Bool {
    progress(slab.bytes.count)
    return true
  }

  /// Passes bytes on to the statistics.
  public func receiveInOrder(_ slab: EvaluatedSlab) { statistics?.update(slab) }

  /// Keeps the result.
  public func finish(_ tensor: EvaluatedTensor) {
    finished.withLock { $0[tensor.index] = tensor }
  }

  /// The result of a task; nil if it hasn't finished.
  public subscript(task: Int) -> EvaluatedTensor? { finished.withLock { $0[task] } }
}
