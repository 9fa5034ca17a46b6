import CTensorKernels
import Foundation
import Synchronization
import TensorEvaluation
import TensorModel

/// Compares evaluated slabs of one checkpoint's tensors with the same regions of another's.
final class TensorComparison: EvaluationConsumer {
  /// A tensor of the other checkpoint, and how values are compared.
  struct Counterpart: Sendable {
    /// The other's tensor, in the same dtype as the one that it is compared with.
    let expression: CompiledExpression
    /// The narrower of both dtypes where values are compared; nil where bytes are.
    let narrower: DType?
    /// Whether the dtypes differ.
    let isWidened: Bool
    /// Bytes of both tensors.
    let bytes: StoredBytes
  }

  private let evaluator: CounterpartEvaluator
  private let counterparts: [Counterpart]
  private let sums: Mutex<[Int: [Int: DifferenceSums]]> = Mutex([:])
  private let progress: @Sendable (Int) -> Void

  init(
    _ reader: any CheckpointReader, _ counterparts: [Counterpart],
    _ resources: EvaluationResources, _ progress: @escaping @Sendable (Int) -> Void
  ) {
    evaluator = CounterpartEvaluator(reader, counterparts.map(\.expression), resources)
    self.counterparts = counterparts
    self.progress = progress
  }

  /// What was found of a task.
  ///
  /// Slabs are added up in order, so that sums don't depend on threads.
  func sums(of task: Int) -> DifferenceSums {
    sums.withLock { sums in
      var total = DifferenceSums()
      for (_, slab) in (sums[task] ?? [:]).sorted(by: { $0.key < $1.key }) { total.merge(slab) }
      return total
    }
  }

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    guard let base = slab.bytes.baseAddress, !slab.bytes.isEmpty else { return true }
    let counterpart = counterparts[slab.index]
    defer { progress(counterpart.bytes.count(slab.byteOffset, slab.bytes.count)) }
    let cell = counterpart.expression.geometry.cellByteCount
    let found = try evaluator.withCounterpart(of: slab) { other in
      other.baseAddress.map {
        Self.sums(
          base, $0, slab.bytes.count / cell, cell, counterpart,
          firstCell: slab.byteOffset / cell)
      }
    }
    sums.withLock { $0[slab.index, default: [:]][slab.byteOffset] = found }
    return true
  }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    try evaluator.confirm(tensor.index)
  }

  private static func sums(
    _ first: UnsafeRawPointer, _ second: UnsafeRawPointer, _ count: Int, _ cell: Int,
    _ counterpart: Counterpart, firstCell: Int
  ) -> DifferenceSums {
    guard let narrower = counterpart.narrower else {
      let isEqual = memcmp(first, second, count * cell) == 0
      return isEqual ? DifferenceSums() : bytes(first, second, count, cell, firstCell)
    }
    switch cell {
    case 4:
      return floats(
        first.assumingMemoryBound(to: Float.self), second.assumingMemoryBound(to: Float.self),
        count, narrower, firstCell, counterpart.isWidened)
    default:
      return doubles(
        first.assumingMemoryBound(to: Double.self), second.assumingMemoryBound(to: Double.self),
        count, narrower, firstCell, counterpart.isWidened)
    }
  }

  private static func bytes(
    _ first: UnsafeRawPointer, _ second: UnsafeRawPointer, _ count: Int, _ cell: Int,
    _ firstCell: Int
  ) -> DifferenceSums {
    var sums = DifferenceSums()
    for index in 0..<count where memcmp(first + index * cell, second + index * cell, cell) != 0 {
      sums.firstCell = sums.firstCell ?? firstCell + index
      sums.differingCount += 1
    }
    sums.isEqualRounded = false
    return sums
  }

  private static func floats(
    _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>, _ count: Int,
    _ narrower: DType, _ firstCell: Int, _ isWidened: Bool
  ) -> DifferenceSums {
    var sums = DifferenceSums()
    for index in 0..<count {
      let (a, b) = (first[index], second[index])
      if a.bitPattern != b.bitPattern && !(isWidened && a.isNaN && b.isNaN) {
        sums.firstCell = sums.firstCell ?? firstCell + index
        sums.differingCount += 1
        if a == 0 && b == 0 { sums.zeroSignCount += 1 }
      }
      sums.add(Double(a), Double(b), narrower)
    }
    if isWidened && sums.differingCount > 0 {
      sums.isEqualRounded = isEqualRounded(first, second, count, WB_F32, narrower)
    }
    return sums
  }

  private static func doubles(
    _ first: UnsafePointer<Double>, _ second: UnsafePointer<Double>, _ count: Int,
    _ narrower: DType, _ firstCell: Int, _ isWidened: Bool
  ) -> DifferenceSums {
    var sums = DifferenceSums()
    for index in 0..<count {
      let (a, b) = (first[index], second[index])
      if a.bitPattern != b.bitPattern && !(isWidened && a.isNaN && b.isNaN) {
        sums.firstCell = sums.firstCell ?? firstCell + index
        sums.differingCount += 1
        if a == 0 && b == 0 { sums.zeroSignCount += 1 }
      }
      sums.add(a, b, narrower)
    }
    if isWidened && sums.differingCount > 0 {
      sums.isEqualRounded = isEqualRounded(first, second, count, WB_F64, narrower)
    }
    return sums
  }

  /// Whether both give the same in the narrower dtype.
  private static func isEqualRounded(
    _ first: UnsafeRawPointer, _ second: UnsafeRawPointer, _ count: Int, _ type: wb_float_type,
    _ narrower: DType
  ) -> Bool {
    guard let target = narrower.floatType else { return false }
    let size = narrower.blockByteCount
    return withUnsafeTemporaryAllocation(byteCount: 2 * count * size, alignment: 64) { room in
      guard let base = room.baseAddress else { return true }
      wb_cast(type, target, first, base, count, nil)
      wb_cast(type, target, second, base + count * size, count, nil)
      return memcmp(base, base + count * size, count * size) == 0
    }
  }
}

extension DifferenceSums {
  fileprivate mutating func add(_ a: Double, _ b: Double, _ narrower: DType) {
    guard !a.isNaN, !b.isNaN else {
      // A number and none are infinitely far apart.
      if a.isNaN != b.isNaN {
        (maxAbsolute, maxUlp, squaredDifference) = (.infinity, .infinity, .infinity)
      }
      return
    }
    squaredFirst += a * a
    squaredSecond += b * b
    product += a * b
    guard a != b else { return }
    let distance = abs(a - b)
    squaredDifference += distance * distance
    maxAbsolute = max(maxAbsolute, distance)
    // Of the larger, so that what is near 0 isn't measured by what is nearer.
    maxUlp = max(
      maxUlp, distance.isFinite ? distance / narrower.spacing(at: max(abs(a), abs(b))) : .infinity)
  }
}

extension DType {
  fileprivate var floatType: wb_float_type? {
    switch self {
    case .f64: WB_F64
    case .f32: WB_F32
    case .f16: WB_F16
    case .bf16: WB_BF16
    default: nil
    }
  }

  /// The distance of neighbouring values at a value.
  fileprivate func spacing(at value: Double) -> Double {
    let (fraction, smallest): (Int, Int) =
      switch self {
      case .f64: (52, -1022)
      case .f32: (23, -126)
      case .bf16: (7, -126)
      default: (10, -14)
      }
    let exponent = value == 0 ? smallest : max(Int(value.exponent), smallest)
    return Double(sign: .plus, exponent: exponent - fraction, significand: 1)
  }
}
