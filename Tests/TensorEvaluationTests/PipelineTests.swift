import FileContainers
import Synchronization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@Suite struct PipelineTests {
  private func tasks(_ reader: MemoryReader) throws -> [EvaluationTask] {
    try reader.checkpoint.tensors.map {
      EvaluationTask(
        name: $0.name, expression: try CompiledExpression(.stored($0.name), in: reader.checkpoint))
    }
  }

  private static let tensors = (0..<6).map { largeTensor("t\($0)", [400, 100], seed: $0) }

  private func resources(
    _ threads: Int, _ check: @escaping @Sendable () throws(CheckpointError) -> Void = {}
  ) -> EvaluationResources {
    EvaluationResources(
      memory: threads * EvaluationResources.minimumMemory, threads: threads,
      checkCancellation: check)
  }

  @Test(arguments: [1, 2, 5])
  func stopsWithTheNameOfTheTensorThatCannotBeRead(_ threads: Int) throws {
    let reader = try MemoryReader(Self.tensors) { position in
      position == 3 ? CheckpointError(.inputOutput, "broken disk", file: "f") : nil
    }
    let collector = DigestCollector()
    let error = #expect(throws: CheckpointError.self) {
      try EvaluationPipeline(reader, resources(threads)).run(tasks(reader), collector)
    }
    #expect(error?.code == .inputOutput && error?.tensor == "t3" && error?.file == "f")
    #expect(collector[3] == nil)
  }

  @Test(arguments: [1, 2, 5])
  func stopsWhenAskedTo(_ threads: Int) throws {
    let reader = try MemoryReader(Self.tensors)
    let calls = Atomic(0)
    let error = #expect(throws: CheckpointError.self) {
      try EvaluationPipeline(
        reader,
        resources(threads) { () throws(CheckpointError) in
          if calls.add(1, ordering: .relaxed).newValue > 4 {
            throw CheckpointError(.interrupted, "stopped")
          }
        }
      ).run(tasks(reader), DigestCollector())
    }
    #expect(error?.code == .interrupted)
    #expect(calls.load(ordering: .relaxed) <= 4 + threads)
  }

  private struct FailingConsumer: EvaluationConsumer {
    enum Moment: CaseIterable { case receive, inOrder, finish }
    let moment: Moment

    private func fail(_ moment: Moment, _ index: Int) throws(CheckpointError) {
      if moment == self.moment && index == 2 { throw CheckpointError(.noSpace, "disk full") }
    }

    func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
      try fail(.receive, slab.index)
      return true
    }

    func receiveInOrder(_ slab: EvaluatedSlab) throws(CheckpointError) {
      try fail(.inOrder, slab.index)
    }

    func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
      try fail(.finish, tensor.index)
    }
  }

  @Test(arguments: 0..<3, [1, 2])
  func stopsWhenTheConsumerFails(_ moment: Int, _ threads: Int) throws {
    let reader = try MemoryReader(Self.tensors)
    let consumer = FailingConsumer(moment: FailingConsumer.Moment.allCases[moment])
    let error = #expect(throws: CheckpointError.self) {
      try EvaluationPipeline(reader, resources(threads)).run(tasks(reader), consumer)
    }
    #expect(error?.code == .noSpace && error?.tensor == "t2")
  }

  @Test func tellsItsProgressInBytes() throws {
    let reader = try MemoryReader(Self.tensors)
    let bytes = Atomic(0)
    let collector = DigestCollector { bytes.add($0, ordering: .relaxed) }
    try EvaluationPipeline(reader, resources(2)).run(tasks(reader), collector)
    #expect(bytes.load(ordering: .relaxed) == reader.checkpoint.byteCount)
    for (index, tensor) in Self.tensors.enumerated() {
      #expect(collector[index]?.digest == Digest(of: tensor.bytes))
    }
  }

  @Test func doesNothingWithoutTasks() throws {
    let reader = try MemoryReader([])
    try EvaluationPipeline(reader, resources(1)).run([], DigestCollector())
  }
}
