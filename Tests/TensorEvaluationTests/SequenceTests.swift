import FileContainers
import Foundation
import Synchronization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Work in the order of the tasks, and work that goes on after errors.
@Suite struct SequenceTests {
  private static let tensors =
    (0..<7).map { largeTensor("t\($0)", [Int(200 + 150 * ($0 % 3)), 100], seed: $0) }
    + [largeTensor("empty", [0, 4], seed: 9)]

  private func resources(_ threads: Int) -> EvaluationResources {
    EvaluationResources(memory: threads * EvaluationResources.minimumMemory, threads: threads)
  }

  /// Notes what it gets, encoding at different speeds.
  private final class Recorder: EvaluationConsumer {
    struct Piece: Equatable {
      let task: Int
      let byteOffset: Int
    }
    let sequence = Mutex<[Piece]>([])
    let received = Mutex<[Piece]>([])
    let bytes = Mutex<[Int: [UInt8]]>([:])
    let finished = Mutex<[Int: Digest]>([:])
    let failure: (task: Int, error: CheckpointError)?

    init(failure: (Int, CheckpointError)? = nil) { self.failure = failure }

    var order: EvaluationOrder { .sequential }

    private func note(_ slab: EvaluatedSlab) -> Piece {
      Piece(task: slab.index, byteOffset: slab.byteOffset)
    }

    func receive(_ slab: EvaluatedSlab, waiting: Bool) -> Bool {
      if (slab.index + slab.byteOffset / 65_536) % 3 == 0 { usleep(300) }
      let piece = note(slab)
      received.withLock { $0.append(piece) }
      return true
    }

    func receiveInSequence(_ slab: EvaluatedSlab) throws(CheckpointError) {
      if let failure, failure.task == slab.index { throw failure.error }
      let (piece, contents) = (note(slab), Array(slab.bytes))
      #expect(received.withLock { $0.contains(piece) })
      sequence.withLock { $0.append(piece) }
      bytes.withLock { $0[slab.index, default: []] += contents }
    }

    func finish(_ tensor: EvaluatedTensor) {
      finished.withLock { $0[tensor.index] = tensor.digest }
    }

    func goesOn(after error: CheckpointError, task: Int) -> Bool { true }
  }

  private func tasks(_ reader: MemoryReader) throws -> [EvaluationTask] {
    try reader.checkpoint.tensors.map {
      EvaluationTask(
        name: $0.name, expression: try CompiledExpression(.stored($0.name), in: reader.checkpoint))
    }
  }

  @Test(arguments: [1, 2, 3, 5, 16])
  func slabsComeInTheOrderOfTheTasks(threads: Int) throws {
    let reader = try MemoryReader(Self.tensors)
    let recorder = Recorder()
    try EvaluationPipeline(reader, resources(threads)).run(tasks(reader), recorder)
    let sequence = recorder.sequence.withLock { $0 }
    #expect(sequence.count > 10)
    let sorted = sequence.sorted { ($0.task, $0.byteOffset) < ($1.task, $1.byteOffset) }
    #expect(sequence == sorted)
    for (index, tensor) in Self.tensors.enumerated() {
      #expect(recorder.bytes.withLock { $0[index] ?? [] } == tensor.bytes)
      #expect(recorder.finished.withLock { $0[index] } == Digest(of: tensor.bytes))
    }
  }

  @Test(arguments: [1, 2, 5])
  func anErrorInSequenceEndsEverythingAfterIt(threads: Int) throws {
    let reader = try MemoryReader(Self.tensors)
    let recorder = Recorder(failure: (3, CheckpointError(.corrupt, "spoilt")))
    let error = #expect(throws: CheckpointError.self) {
      try EvaluationPipeline(reader, resources(threads)).run(tasks(reader), recorder)
    }
    #expect(error?.message == "spoilt" && error?.tensor == "t3")
    #expect(recorder.sequence.withLock { $0 }.allSatisfy { $0.task < 3 })
    #expect(recorder.finished.withLock { $0.keys.allSatisfy { $0 < 3 } })
  }

  // MARK: Going on

  @Test(arguments: [1, 2, 5])
  func collectsTheErrorsOfSeveralTensors(threads: Int) throws {
    let reader = try MemoryReader(Self.tensors) { position in
      [1, 3, 5].contains(position) ? CheckpointError(.corrupt, "damage \(position)") : nil
    }
    let collector = DigestCollector(goesOnAfterErrors: true)
    try EvaluationPipeline(reader, resources(threads)).run(tasks(reader), collector)
    #expect(collector.errors.map(\.message) == ["damage 1", "damage 3", "damage 5"])
    #expect(collector.errors.map(\.tensor) == ["t1", "t3", "t5"])
    for (index, tensor) in Self.tensors.enumerated() where ![1, 3, 5].contains(index) {
      #expect(collector[index]?.digest == Digest(of: tensor.bytes))
    }
    #expect(collector[1] == nil && collector[3] == nil && collector[5] == nil)
  }

  @Test func stopsAfterErrorsThatMayPass() throws {
    let reader = try MemoryReader(Self.tensors) { position in
      position == 2 ? CheckpointError(.inputOutput, "a cable") : nil
    }
    let error = #expect(throws: CheckpointError.self) {
      try EvaluationPipeline(reader, resources(2)).run(
        tasks(reader), DigestCollector(goesOnAfterErrors: true))
    }
    #expect(error?.message == "a cable")
  }

  /// Errors that only the end of a tensor brings up: digests, checksums of the whole, the consumer's own.
  @Test(arguments: [1, 2, 5])
  func tellsErrorsThatTheEndOfATensorBringsUp(threads: Int) throws {
    let reader = try ForgetfulReader(Self.tensors)
    let collector = DigestCollector(goesOnAfterErrors: true)
    try EvaluationPipeline(reader, resources(threads)).run(
      EvaluationTask.stored(in: reader.checkpoint), collector)
    #expect(collector.errors.map(\.tensor) == ["t2", "t4"])
    #expect(collector[0] != nil && collector[6] != nil)
    let error = #expect(throws: CheckpointError.self) {
      try EvaluationPipeline(reader, resources(threads)).run(
        EvaluationTask.stored(in: reader.checkpoint), DigestCollector())
    }
    #expect(error?.code == .corrupt)
  }
}

/// A reader that finds out at the end that two of its tensors were damaged.
private final class ForgetfulReader: CheckpointReader {
  private let reader: MemoryReader
  init(_ tensors: [(name: String, type: TensorType, bytes: [UInt8])]) throws(CheckpointError) {
    reader = try MemoryReader(tensors)
  }
  var checkpoint: Checkpoint { reader.checkpoint }
  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) { try reader.read(position, region, into: destination) }
  func confirm(_ position: Int) throws(CheckpointError) {
    if position == 2 || position == 4 { throw CheckpointError(.corrupt, "checksum") }
  }
}
