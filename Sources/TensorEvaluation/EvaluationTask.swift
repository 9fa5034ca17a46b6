public import FileContainers
public import TensorModel

/// One output tensor to be evaluated.
public struct EvaluationTask: Sendable {
  /// What it is called in messages.
  public let name: String
  /// How it is computed.
  public let expression: CompiledExpression
  /// Regions in row order that slabs are made of, each a run of the tensor's bytes; nil if slabs may be cut anywhere.
  public let pieces: [MatrixRegion]?
  /// What a `CounterpartEvaluator` evaluates in the same regions; nil if nothing.
  public let counterpart: CompiledExpression?
  /// What a row of the result consists of.
  public let parts: RowParts

  /// A task.
  ///
  /// - Parameters:
  ///   - name: for messages.
  ///   - expression: how the result is computed.
  ///   - pieces: regions that slabs are made of; nil if they may be cut anywhere. With several parts slabs are whole rows in any case.
  ///   - counterpart: what is evaluated beside it.
  ///   - parts: tensors that rows of the result consist of; nil if it is one tensor.
  public init(
    name: String, expression: CompiledExpression, pieces: [MatrixRegion]? = nil,
    counterpart: CompiledExpression? = nil, parts: RowParts? = nil
  ) {
    self.name = name
    self.expression = expression
    self.pieces = pieces
    self.counterpart = counterpart
    self.parts = parts ?? RowParts([.init(expression.geometry.rowByteCount)])
  }

  /// A task for every stored tensor, in the order of the source.
  ///
  /// - Parameters:
  ///   - checkpoint: whose tensors.
  ///   - range: of which tensors; all, where none is given.
  /// - Returns: the tasks.
  public static func stored(
    in checkpoint: Checkpoint, _ range: Range<Int>? = nil
  ) -> [EvaluationTask] {
    (range ?? checkpoint.tensors.indices).map {
      EvaluationTask(
        name: checkpoint.tensors[$0].name,
        expression: CompiledExpression(storedAt: $0, in: checkpoint))
    }
  }

  /// Whether columns are gathered, for the result or its counterpart.
  var transposes: Bool { expression.root.transposes || counterpart?.root.transposes == true }

  /// The place of the stored tensor that it is, copied as it is; nil for anything else.
  var copiedPosition: Int? {
    guard case .stored(let position, _) = expression.root.operation, pieces == nil,
      counterpart == nil, !parts.areSeveral
    else { return nil }
    return position
  }

  /// A number of tensors in runs of so many that what is kept of each while it is evaluated doesn't count.
  public static func runs(of count: Int) -> [Range<Int>] {
    ParallelPieces.runs(of: count, runCount)
  }

  private static let runCount = 256

  /// Bytes of the result.
  public var byteCount: Int {
    expression.geometry.rows * expression.geometry.rowByteCount
  }
}

/// What came of a task.
public struct EvaluatedTensor: Sendable {
  /// The task's place in the list.
  public let index: Int
  /// SHA-256 of all bytes in row order, of a result that is one tensor; of others the first part's.
  public let digest: Digest
  private let otherDigests: [Digest]
  /// What casts did to the values.
  public let report: CastReport

  /// The digests of all parts.
  public var digests: [Digest] { [digest] + otherDigests }

  init(index: Int, digests: [Digest], report: CastReport) {
    self.index = index
    digest = digests[0]
    otherDigests = digests.count > 1 ? Array(digests.dropFirst()) : []
    self.report = report
  }

  /// A result that is one tensor.
  init(index: Int, digest: Digest, report: CastReport = CastReport()) {
    self.index = index
    self.digest = digest
    otherDigests = []
    self.report = report
  }
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
  private let severalParts: [SlabPart]

  /// The same bytes part by part.
  public var parts: [SlabPart] {
    severalParts.isEmpty ? [SlabPart(byteOffset: byteOffset, bytes: bytes)] : severalParts
  }

  init(
    index: Int, byteOffset: Int, region: MatrixRegion, bytes: UnsafeRawBufferPointer,
    severalParts: [SlabPart] = []
  ) {
    self.index = index
    self.byteOffset = byteOffset
    self.region = region
    self.bytes = bytes
    self.severalParts = severalParts
  }
}

/// Who takes the bytes of evaluated tensors.
///
/// `receive` is called from several threads, slabs in any order, each until it is taken. `receiveInSequence` gets all slabs of all tensors one
/// after the other, in the order of the tasks, if the consumer's order is that. `receiveInOrder` gets the slabs of one tensor one
/// after the other, in row order, but those of different tensors at the same time. A slab goes through these on one thread, in this order.
/// `finish` is called once per tensor, after all its slabs.
public protocol EvaluationConsumer: Sendable {
  /// In which order the work is to be done.
  var order: EvaluationOrder { get }

  /// Takes a slab, for example to write it.
  ///
  /// - Parameters:
  ///   - slab: its bytes are valid during the call.
  ///   - waiting: whether to wait for other threads; if not, and that would be necessary, the slab comes again.
  /// - Returns: whether the slab was taken.
  /// - Throws: anything that stops the work.
  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool

  /// Takes a slab after all slabs of earlier tasks, and those of its own that come before it.
  ///
  /// - Throws: anything that stops the work.
  func receiveInSequence(_ slab: EvaluatedSlab) throws(CheckpointError)

  /// Takes a slab in row order.
  ///
  /// - Throws: anything that stops the work.
  func receiveInOrder(_ slab: EvaluatedSlab) throws(CheckpointError)

  /// Takes the digest and report of a whole tensor.
  ///
  /// - Throws: anything that stops the work.
  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError)

  /// Says whether the other tensors are to be evaluated although this one can't be.
  func goesOn(after error: CheckpointError, task: Int) -> Bool
}

/// In which order tensors are evaluated.
public enum EvaluationOrder: Sendable {
  /// Whichever keeps all threads busy.
  case any
  /// One after the other, as the tasks are listed.
  case sequential
}

extension EvaluationConsumer {
  /// Any order will do.
  public var order: EvaluationOrder { .any }
  /// Nothing to do.
  public func receiveInSequence(_ slab: EvaluatedSlab) {}
  /// One error stops everything.
  public func goesOn(after error: CheckpointError, task: Int) -> Bool { false }
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
  /// Whether tensors whose checkpoint records their digests are checked against them, also where only parts or casts of them are used.
  public var checksRecordedDigests = true
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

  /// The same with half of the memory, for work that keeps as much elsewhere.
  public var halved: EvaluationResources { divided(by: 2) }

  /// The same with a part of the memory.
  ///
  /// - Parameter count: of how many equal parts.
  /// - Returns: the resources.
  public func divided(by count: Int) -> EvaluationResources {
    var part = EvaluationResources(
      memory: memory / count, threads: threads, checkCancellation: checkCancellation)
    part.checksRecordedDigests = checksRecordedDigests
    return part
  }

  /// Bytes of an intermediate result: a small part of a thread's memory.
  var tileByteCount: Int {
    max(
      TensorEvaluator.minimumTileByteCount,
      min(TensorEvaluator.standardTileByteCount, memory / threads / 16))
  }

  /// An evaluator with buffers of these sizes.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - gathers: whether transposed matrices are to be quantized.
  /// - Returns: the evaluator.
  func evaluator(_ reader: any CheckpointReader, gathers: Bool) -> TensorEvaluator {
    TensorEvaluator(
      reader, tileByteCount: tileByteCount,
      gatheredByteCount: gathers ? quantizedByteCount(transposing: true) : nil,
      factors: MomentFactors(byteLimit: factorByteCount, threads: threads))
  }

  /// Bytes for factors of second moments, and for what error feedback works in: what all buffers leave, and an eighth of the memory where these take all of it.
  public var factorByteCount: Int {
    max(memory / 8, memory - bufferByteCount)
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

  /// Bytes of the values that one slab of blocks is made of: such that blocks and gathered values together are no more than a slab of
  /// gathered values alone.
  func quantizedByteCount(transposing: Bool) -> Int {
    transposing ? slabByteCount(transposing: true) / 4 * 3 : 4 << 20
  }
}
