import FileContainers
public import TensorModel

/// Evaluates many tensors on several threads in bounded memory, digesting each in row order.
///
/// The same bytes and digests come out for any number of threads.
public struct EvaluationPipeline: Sendable {
  private let reader: any CheckpointReader
  private let resources: EvaluationResources

  /// A pipeline over a checkpoint.
  public init(_ reader: any CheckpointReader, _ resources: EvaluationResources) {
    self.reader = reader
    self.resources = resources
  }

  /// Runs all tasks.
  ///
  /// - Parameters:
  ///   - tasks: in any order.
  ///   - consumer: who takes the results.
  /// - Throws: the first error of the reader, the consumer or the cancellation check, with the tensor's name.
  public func run(
    _ tasks: [EvaluationTask], _ consumer: some EvaluationConsumer
  ) throws(CheckpointError) {
    guard !tasks.isEmpty else { return }
    let schedule = EvaluationSchedule(tasks, resources, consumer.order)
    let states = TensorStates(count: tasks.count)
    let evaluator = resources.evaluator(
      reader, gathers: tasks.contains { $0.expression.quantizes && $0.expression.root.transposes })
    let digests = RecordedDigests(reader, evaluator, resources)
    let slabByteCount = resources.slabByteCount(transposing: tasks.contains(where: \.transposes))
    ThreadTeam.run(resources.threads) { _ in
      do throws(CheckpointError) {
        let scratch = try ScratchArena(byteCount: evaluator.scratchByteCount)
        let buffer = try ScratchArena(byteCount: ScratchArena.rounded(slabByteCount))
        work(schedule, states, tasks, consumer, evaluator, digests, scratch, buffer)
      } catch { schedule.fail(error) }
    }
    if let failure = schedule.failure { throw failure }
  }

  private func work(
    _ schedule: EvaluationSchedule, _ states: TensorStates, _ tasks: [EvaluationTask],
    _ consumer: some EvaluationConsumer, _ evaluator: TensorEvaluator, _ digests: RecordedDigests,
    _ scratch: ScratchArena, _ slabs: ScratchArena
  ) {
    var buffer = slabs
    var current: Int?
    while true {
      let small = schedule.nextSmall(after: current)
      if !small.isEmpty {
        copy(small, schedule, tasks, consumer, evaluator, digests, slabs)
        continue
      }
      guard let slab = schedule.next(after: current) else { return }
      current = slab.task
      do throws(CheckpointError) {
        // A piece that can't be cut may be larger than what memory allows.
        let parts = tasks[slab.task].parts
        let room = ScratchArena.rounded(slab.byteCount) * (parts.areSeveral ? 2 : 1)
        if room > buffer.byteCount { buffer = try ScratchArena(byteCount: room) }
        try resources.checkCancellation()
        try buffer.withPiece(byteCount: slab.byteCount) { (piece) throws(CheckpointError) in
          let expression = tasks[slab.task].expression
          let rowStride = slab.region.columns.count * expression.geometry.cellByteCount
          let report = try evaluator.evaluate(
            expression, slab.region, into: MatrixBuffer(base: piece, rowStride: rowStride),
            scratch: scratch)
          let bytes = UnsafeRawBufferPointer(start: piece, count: slab.byteCount)
          let isTaken = try buffer.withPiece(byteCount: parts.areSeveral ? slab.byteCount : 0) {
            (spare) throws(CheckpointError) -> Bool in
            let evaluated = EvaluatedSlab(
              index: slab.task, byteOffset: slab.byteOffset, region: slab.region, bytes: bytes,
              severalParts: parts.areSeveral
                ? parts.split(slab.region.rows, piece, spare) : [])
            // Where the consumer is busy with another thread's slab, hashing comes first.
            let isReceived = try consumer.receive(evaluated, waiting: false)
            if consumer.order == .sequential {
              guard schedule.waitForSequence(slab) else { return false }
              try consumer.receiveInSequence(evaluated)
              schedule.endSequence()
            }
            guard schedule.waitForTurn(of: slab) else { return false }
            try consumer.receiveInOrder(evaluated)
            states.update(slab.task, with: evaluated.parts, report)
            schedule.endTurn(of: slab)
            if !isReceived { _ = try consumer.receive(evaluated, waiting: true) }
            return true
          }
          if isTaken && schedule.complete(slab) {
            let result = states.take(slab.task, partCount: parts.parts.count)
            for position in expression.storedPositions { try evaluator.confirm(position) }
            try digests.check(expression, result.digests, scratch)
            try consumer.finish(
              EvaluatedTensor(index: slab.task, digests: result.digests, report: result.report))
          }
        }
      } catch {
        let named = error.in(tensor: tasks[slab.task].name)
        let isLocal = consumer.order == .any && !error.code.isTransient
        if !isLocal {
          schedule.fail(named)
        } else if schedule.abandon(slab) && !consumer.goesOn(after: named, task: slab.task) {
          schedule.fail(named)
        }
      }
    }
  }

  /// Does the same for stored tensors that are a slab each, with nothing in between: a checkpoint can have a million.
  private func copy(
    _ slabs: [Slab], _ schedule: EvaluationSchedule, _ tasks: [EvaluationTask],
    _ consumer: some EvaluationConsumer, _ evaluator: TensorEvaluator, _ digests: RecordedDigests,
    _ buffer: ScratchArena
  ) {
    for slab in slabs {
      do throws(CheckpointError) {
        guard let position = slab.copiedPosition else { continue }
        try resources.checkCancellation()
        try buffer.withPiece(byteCount: slab.byteCount) { (piece) throws(CheckpointError) in
          let rowStride = slab.byteCount / max(1, slab.region.rows.count)
          try evaluator.copy(
            position, slab.region, into: MatrixBuffer(base: piece, rowStride: rowStride))
          let bytes = UnsafeRawBufferPointer(start: piece, count: slab.byteCount)
          let evaluated = EvaluatedSlab(
            index: slab.task, byteOffset: 0, region: slab.region, bytes: bytes)
          let isReceived = try consumer.receive(evaluated, waiting: false)
          try consumer.receiveInOrder(evaluated)
          let digest = Digest(of: bytes)
          if !isReceived { _ = try consumer.receive(evaluated, waiting: true) }
          try evaluator.confirm(position)
          try digests.compare(position, digest)
          try consumer.finish(EvaluatedTensor(index: slab.task, digest: digest))
        }
      } catch {
        let named = error.in(tensor: tasks[slab.task].name)
        if error.code.isTransient || !consumer.goesOn(after: named, task: slab.task) {
          return schedule.fail(named)
        }
      }
    }
  }
}

/// Digest and report of the tensors under way.
///
/// `@unchecked Sendable`: an element is only touched by the thread whose slab has its turn, and at the end by the one that completes the
/// tensor; `EvaluationSchedule` decides who that is, so the array needs no lock. Its storage never moves.
private final class TensorStates: @unchecked Sendable {
  struct State {
    /// One for each part.
    var digests: [StreamingDigest]
    var report = CastReport()

    init(partCount: Int) { digests = Array(repeating: StreamingDigest(), count: partCount) }
  }

  private let states: UnsafeMutableBufferPointer<State?>

  init(count: Int) {
    states = .allocate(capacity: count)
    states.initialize(repeating: nil)
  }

  deinit {
    states.deinitialize()
    states.deallocate()
  }

  func update(_ task: Int, with parts: [SlabPart], _ report: CastReport) {
    var state = states[task] ?? State(partCount: parts.count)
    states[task] = nil
    for (place, part) in parts.enumerated() { state.digests[place].update(part.bytes) }
    state.report.merge(report)
    states[task] = state
  }

  func take(_ task: Int, partCount: Int) -> (digests: [Digest], report: CastReport) {
    let state = states[task] ?? State(partCount: partCount)
    states[task] = nil
    return (state.digests.map(\.digest), state.report)
  }
}
