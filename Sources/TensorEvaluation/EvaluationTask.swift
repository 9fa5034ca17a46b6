public import FileContainers
public import TensorModel

/// One output tensor to be evaluated.
public struct EvaluationTask: Sendable {
  /// What it is called in messages.
  public let name: String
  /// How it is computed.
  public let expression: CompiledExpression

  /// A task.
  public init(name: String, expression: CompiledExpression) {
    self.name = name
    self.expression = expression
  }

  /// A task for every stored tensor, in the order of the source.
  ///
  /// - Throws: never for a sound checkpoint.
  public static func stored(in checkpoint: Checkpoint) throws(CheckpointError) -> [EvaluationTask] {
    var tasks: [EvaluationTask] = []
    for tensor in checkpoint.tensors {
      tasks.append(
        EvaluationTask(
          name: tensor.name,
          expression: try CompiledExpression(.stored(tensor.name), in: checkpoint)))
    }
    return tasks
  }

  /// Bytes of the result.
  var byteCount: Int {
    expression.geometry.rows * expression.geometry.rowByteCount
  }
}

/// What came of a task.
public struct EvaluatedTensor: Sendable {
  /// The task's place in the list.
  public let index: Int
  /// SHA-256 of all bytes of the result, in row order.
  public let digest: Digest
  /// What casts did to the values.
  public let report: CastReport
}

/// A slab: consecutive bytes of a tensor, as they were evaluated.
public struct EvaluatedSlab {
  /// The task's place in the list.
  public let index: Int
  /// Where the bytes begin in the tensor.
  public let byteOffset: Int
  /// The region of the tensor that they are.
  public let region: MatrixRegion
  /// The bytes; valid during the call.
  public let bytes: UnsafeRawBufferPointer
}

/// Who takes the bytes of evaluated tensors.
///
/// `receive` is called from several threads, slabs in any order, each until it is taken. `receiveInOrder` gets the slabs of one tensor one
/// after the other, in row order, but those of different tensors at the same time. `finish` is called once per tensor, after all its slabs.
public protocol EvaluationConsumer: Sendable {
  /// Takes a slab, for example to write it.
  ///
  /// - Parameters:
  ///   - slab: its bytes are valid during the call.
  ///   - waiting: whether to wait for other threads; if not, and that would be necessary, the slab comes again.
  /// - Returns: whether the slab was taken.
  /// - Throws: anything that stops the work.
  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool

  /// Takes a slab in row order.
  ///
  /// - Throws: anything that stops the work.
  func receiveInOrder(_ slab: EvaluatedSlab) throws(CheckpointError)

  /// Takes the digest and report of a whole tensor.
  ///
  /// - Throws: anything that stops the work.
  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError)
}

extension EvaluationConsumer {
  /// Nothing to do.
  public func receive(_ slab: EvaluatedSlab, waiting: Bool) -> Bool { true }
  /// Nothing to do.
  public func receiveInOrder(_ slab: EvaluatedSlab) {}
}

/// What the work may use.
public struct EvaluationResources: Sendable {
  /// Bytes for all buffers together.
  public let memory: Int
  /// Threads at the same time.
  public let threads: Int
  /// Called before every slab; throwing stops the work.
  public let checkCancellation: @Sendable () throws(CheckpointError) -> Void

  /// The least memory that a thread can work in.
  public static let minimumMemory =
    TensorEvaluator.scratchByteCount(TensorEvaluator.minimumTileByteCount) + minimumSlabByteCount
  static let minimumSlabByteCount = 64 << 10

  /// Resources.
  ///
  /// Threads are fewer than asked for where the memory doesn't suffice for more.
  ///
  /// - Parameters:
  ///   - memory: bytes for all buffers.
  ///   - threads: at least 1.
  ///   - checkCancellation: throws when the work shall stop.
  public init(
    memory: Int, threads: Int,
    checkCancellation: @escaping @Sendable () throws(CheckpointError) -> Void = {
      () throws(CheckpointError) in
    }
  ) {
    self.memory = memory
    self.threads = max(1, min(threads, memory / Self.minimumMemory))
    self.checkCancellation = checkCancellation
  }

  /// Bytes of an intermediate result: a small part of a thread's memory.
  var tileByteCount: Int {
    max(
      TensorEvaluator.minimumTileByteCount,
      min(TensorEvaluator.standardTileByteCount, memory / threads / 16))
  }

  /// Bytes of all buffers at most, which is what a conversion of large tensors takes.
  public var bufferByteCount: Int {
    threads
      * (slabByteCount(transposing: true) + TensorEvaluator.scratchByteCount(tileByteCount))
  }

  /// Bytes of a slab: few where rows are copied, so that they stay in the cache from reading to hashing; many where columns are
  /// gathered.
  func slabByteCount(transposing: Bool) -> Int {
    let available = memory / threads - TensorEvaluator.scratchByteCount(tileByteCount)
    return max(Self.minimumSlabByteCount, min(transposing ? 32 << 20 : 2 << 20, available))
  }
}
