import Synchronization
import TensorEvaluation
import TensorModel

/// Adds up the squares of evaluated tensors, of F32 or F64; NaNs are left out.
final class SquaredNorms: EvaluationConsumer {
  /// Bytes of each tensor in the dtype that it is stored in.
  private let byteCounts: [Int]
  private let sums: Mutex<[Int: [Int: Double]]> = Mutex([:])
  private let progress: @Sendable (Int) -> Void

  init(_ byteCounts: [Int], _ progress: @escaping @Sendable (Int) -> Void) {
    self.byteCounts = byteCounts
    self.progress = progress
  }

  /// The sum of a task's squares; slabs are added up in order, so that it doesn't depend on threads.
  func sum(of task: Int) -> Double {
    sums.withLock { sums in
      (sums[task] ?? [:]).sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value }
    }
  }

  func receive(_ slab: EvaluatedSlab, waiting: Bool) -> Bool {
    guard !slab.bytes.isEmpty else { return true }
    let cell = slab.bytes.count / max(1, slab.region.cellCount)
    let sum =
      cell == 4
      ? Self.sum(slab.bytes.bindMemory(to: Float.self).lazy.map(Double.init))
      : Self.sum(slab.bytes.bindMemory(to: Double.self).lazy)
    sums.withLock { $0[slab.index, default: [:]][slab.byteOffset] = sum }
    return true
  }

  func finish(_ tensor: EvaluatedTensor) { progress(byteCounts[tensor.index]) }

  private static func sum(_ values: some Sequence<Double>) -> Double {
    var sum = 0.0
    for value in values where !value.isNaN { sum += value * value }
    return sum
  }
}
