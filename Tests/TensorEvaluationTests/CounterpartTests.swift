import Foundation
import Synchronization
import TensorModel
import TestSupport
import Testing

@testable import TensorEvaluation

@Suite struct CounterpartTests {
  /// Compares each slab with its counterpart.
  private final class Comparison: EvaluationConsumer {
    let evaluator: CounterpartEvaluator
    let slabs = Mutex<[(byteCount: Int, isEqual: Bool)]>([])

    init(_ evaluator: CounterpartEvaluator) { self.evaluator = evaluator }

    func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
      let isEqual = try evaluator.withCounterpart(of: slab) {
        $0.count == slab.bytes.count && Data($0) == Data(slab.bytes)
      }
      let byteCount = slab.bytes.count
      slabs.withLock { $0.append((byteCount, isEqual)) }
      return true
    }

    func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
      try evaluator.confirm(tensor.index)
    }
  }

  @Test(arguments: [1, 3], [64 << 20, 4_000_000])
  func cutsSlabsToSuitBoth(threads: Int, memory: Int) throws {
    let (rows, columns) = (1024, 768)
    var random = FixedRandom(seed: 9)
    let words = (0..<rows * columns).map { _ in UInt32(truncatingIfNeeded: random.next()) }
    var turned = words
    for row in 0..<rows {
      for column in 0..<columns { turned[column * rows + row] = words[row * columns + column] }
    }
    let bytes = words.withUnsafeBytes { Array($0) }
    let transposed = turned.withUnsafeBytes { Array($0) }
    let type = { (shape: Shape) in TensorType(.f32, shape) }
    let first = try MemoryReader([("a", type([rows, columns]), bytes)])
    let second = try MemoryReader([("b", type([columns, rows]), transposed)])
    let counterpart = try CompiledExpression(.transpose(.stored("b")), in: second.checkpoint)
    let resources = EvaluationResources(memory: memory, threads: threads)
    let comparison = Comparison(CounterpartEvaluator(second, [counterpart], resources))
    try EvaluationPipeline(first, resources).run(
      [
        EvaluationTask(
          name: "a", expression: CompiledExpression(.stored("a"), in: first.checkpoint),
          counterpart: counterpart)
      ], comparison)
    let slabs: [(byteCount: Int, isEqual: Bool)] = comparison.slabs.withLock { $0 }
    #expect(slabs.allSatisfy { $0.isEqual })
    #expect(slabs.reduce(0) { $0 + $1.byteCount } == bytes.count)
    // Where there is memory, all rows of a column are gathered at once.
    if memory == 64 << 20 { #expect(slabs.count == 1) }
  }
}
