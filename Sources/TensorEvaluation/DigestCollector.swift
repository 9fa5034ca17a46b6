import FileContainers
import Synchronization
public import TensorModel

/// Collects what came of evaluated tensors, and nothing else.
public final class DigestCollector: EvaluationConsumer {
  private let finished = Mutex<[EvaluatedTensor?]>([])
  private let statistics: StatisticsCollector?
  private let census: CensusCollector?
  private let progress: @Sendable (Int) -> Void
  private let goesOnAfterErrors: Bool
  private let failed = Mutex<[Int: CheckpointError]>([:])

  /// A collector.
  ///
  /// - Parameters:
  ///   - statistics: is given all bytes in order, if there is one.
  ///   - census: likewise.
  ///   - goesOnAfterErrors: whether tensors that can't be read are collected as well.
  ///   - progress: told of bytes that went by.
  public init(
    statistics: StatisticsCollector? = nil, census: CensusCollector? = nil,
    goesOnAfterErrors: Bool = false,
    progress: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    self.statistics = statistics
    self.census = census
    self.goesOnAfterErrors = goesOnAfterErrors
    self.progress = progress
  }

  /// Counts.
  public func receive(_ slab: EvaluatedSlab, waiting: Bool) -> Bool {
    progress(slab.bytes.count)
    return true
  }

  /// Passes bytes on to the statistics and the census.
  public func receiveInOrder(_ slab: EvaluatedSlab) {
    statistics?.update(slab)
    census?.update(slab)
  }

  /// Keeps the result.
  public func finish(_ tensor: EvaluatedTensor) {
    finished.withLock { finished in
      if tensor.index >= finished.count {
        finished += Array(repeating: nil, count: tensor.index + 1 - finished.count)
      }
      finished[tensor.index] = tensor
    }
  }

  /// Keeps the error, if that was asked for.
  public func goesOn(after error: CheckpointError, task: Int) -> Bool {
    failed.withLock { $0[task] = error }
    return goesOnAfterErrors
  }

  /// What kept tensors from being read, in the order of the tasks.
  public var errors: [CheckpointError] {
    failed.withLock { failed in failed.sorted { $0.key < $1.key }.map(\.value) }
  }

  /// The result of a task; nil if it hasn't finished.
  public subscript(task: Int) -> EvaluatedTensor? {
    finished.withLock { task < $0.count ? $0[task] : nil }
  }
}
