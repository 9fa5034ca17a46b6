import FileContainers
import Foundation
import Synchronization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Puts slabs together, and checks that they come as promised.
final class Collector: EvaluationConsumer {
  struct State {
    var bytes: [Data]
    var received: [Int]
    var inOrder: [Int]
    var finished: [EvaluatedTensor?]
  }

  private let state: Mutex<State>

  init(_ byteCounts: [Int]) {
    state = Mutex(
      State(
        bytes: byteCounts.map { Data(count: $0) },
        received: byteCounts.map { _ in 0 }, inOrder: byteCounts.map { _ in 0 },
        finished: byteCounts.map { _ in nil }))
  }

  /// Takes every other slab only when asked again, as a busy file would.
  func receive(_ slab: EvaluatedSlab, waiting: Bool) -> Bool {
    if !waiting && slab.region.rows.lowerBound % 2 == 1 { return false }
    let bytes = Data(slab.bytes)
    let (index, offset) = (slab.index, slab.byteOffset)
    state.withLock {
      $0.bytes[index].replaceSubrange(offset..<offset + bytes.count, with: bytes)
      $0.received[index] += bytes.count
    }
    return true
  }

  func receiveInOrder(_ slab: EvaluatedSlab) {
    let (index, offset, count) = (slab.index, slab.byteOffset, slab.bytes.count)
    state.withLock {
      #expect($0.inOrder[index] == offset)
      $0.inOrder[index] += count
    }
  }

  func finish(_ tensor: EvaluatedTensor) {
    state.withLock {
      #expect($0.finished[tensor.index] == nil)
      #expect($0.inOrder[tensor.index] == $0.bytes[tensor.index].count)
      #expect($0.received[tensor.index] == $0.bytes[tensor.index].count)
      $0.finished[tensor.index] = tensor
    }
  }

  func bytes(_ task: Int) -> Data { state.withLock { $0.bytes[task] } }

  func tensor(_ task: Int) throws -> EvaluatedTensor {
    try #require(state.withLock { $0.finished[task] })
  }
}

/// Runs expressions through a pipeline.
func run(
  _ expressions: [TensorExpression], _ reader: any CheckpointReader, threads: Int = 1,
  memory: Int? = nil
) throws -> Collector {
  let compiled = try expressions.map { try CompiledExpression($0, in: reader.checkpoint) }
  let collector = Collector(compiled.map { $0.geometry.rows * $0.geometry.rowByteCount })
  let resources = EvaluationResources(
    memory: memory ?? threads * EvaluationResources.minimumMemory, threads: threads)
  #expect(resources.threads == threads)
  try EvaluationPipeline(reader, resources).run(
    compiled.enumerated().map { EvaluationTask(name: "task \($0)", expression: $1) }, collector)
  return collector
}

/// Evaluates a region without a pipeline, rows further apart than they need be.
func evaluate(
  _ expression: TensorExpression, _ reader: any CheckpointReader, _ region: MatrixRegion? = nil,
  slack: Int = 0
) throws -> (bytes: [UInt8], report: CastReport) {
  let compiled = try CompiledExpression(expression, in: reader.checkpoint)
  let region = region ?? compiled.geometry.whole
  let runByteCount = region.columns.count * compiled.geometry.cellByteCount
  let rowStride = runByteCount + slack
  let scratch = try ScratchArena(byteCount: TensorEvaluator(reader).scratchByteCount)
  var memory = [UInt8](repeating: 0xa5, count: max(1, region.rows.count * rowStride))
  let report = try memory.withUnsafeMutableBytes { buffer in
    guard let base = buffer.baseAddress else { return CastReport() }
    return try TensorEvaluator(reader).evaluate(
      compiled, region, into: MatrixBuffer(base: base, rowStride: rowStride), scratch: scratch)
  }
  var bytes: [UInt8] = []
  for row in 0..<region.rows.count {
    let start = row * rowStride
    bytes += memory[start..<start + runByteCount]
    #expect(memory[start + runByteCount..<start + rowStride].allSatisfy { $0 == 0xa5 })
  }
  return (bytes, report)
}
