public import FileContainers
import Synchronization
public import TensorModel

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

extension Digest {
  /// SHA-256 of a whole file.
  ///
  /// - Throws: `inputOutput`.
  public init(ofFile file: InputFile) throws(CheckpointError) {
    var stream = StreamingDigest()
    let scratch = ScratchArena(byteCount: 1 << 20)
    var offset = 0
    while offset < file.byteCount {
      let count = min(1 << 20, file.byteCount - offset)
      try scratch.withPiece(byteCount: count) { (piece) throws(CheckpointError) in
        try file.read(at: offset, into: piece, count: count)
        stream.update(UnsafeRawBufferPointer(start: piece, count: count))
      }
      offset += count
    }
    self = stream.digest
  }
}
