import CTensorKernels
import CheckpointFormats
import TensorEvaluation
import TensorModel

/// Turns evaluated bytes of a fork's tensors into differences to its base's.
struct DifferenceSlabs: Sendable {
  private let base: BaseTensors
  private let pieces = PiecePool()

  /// - Parameters:
  ///   - base: the base.
  ///   - tensors: those that are evaluated, by their places.
  /// - Throws: what `BaseTensors` throws.
  init(
    _ base: BaseCheckpoint, _ tensors: [ConversionPlan.PlannedTensor]
  ) throws(CheckpointError) {
    self.base = try BaseTensors(
      base, tensors.map { tensor in tensor.difference.map { (tensor.type, $0.name) } })
  }

  /// Lends the differences of a slab for the duration of a call.
  ///
  /// - Throws: what reading the base throws, and what the body throws.
  func withDifferences<Result>(
    _ slab: EvaluatedSlab, of type: TensorType,
    _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    let size = type.geometry.cellByteCount
    return try with(slab, type, body) { own, base, count in
      wb_ulp_encode(own, base, base, count / size, size, type.dtype.isOrderedFloat)
    }
  }

  /// Lends the exclusive or of a slab's bytes with the base's for the duration of a call.
  ///
  /// - Throws: what reading the base throws, and what the body throws.
  func withCombination<Result>(
    _ slab: EvaluatedSlab, of type: TensorType,
    _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    try with(slab, type, body) { own, base, count in wb_xor(own, base, base, count) }
  }

  private func with<Result>(
    _ slab: EvaluatedSlab, _ type: TensorType,
    _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Result,
    _ combine: (UnsafeRawPointer, UnsafeMutableRawPointer, Int) -> Void
  ) throws(CheckpointError) -> Result {
    let size = type.geometry.cellByteCount
    return try pieces.withPiece(byteCount: slab.bytes.count) { (piece) throws(CheckpointError) in
      try base.read(
        slab.index, slab.region,
        into: MatrixBuffer(base: piece, rowStride: slab.region.columns.count * size))
      if let own = slab.bytes.baseAddress { combine(own, piece, slab.bytes.count) }
      return try body(UnsafeRawBufferPointer(start: piece, count: slab.bytes.count))
    }
  }
}
