import TensorEvaluation
public import TensorModel

/// Tensors of a base in the shapes and dtypes of a fork's, which are differences to them.
public struct BaseTensors: Sendable {
  private let base: BaseCheckpoint
  private let evaluator: PooledEvaluator
  private let tensors: [Tensor?]

  private struct Tensor: Sendable {
    let position: Int
    /// In the fork's dtype, as `--dtype` rounds it; nil where it has it.
    let rounded: CompiledExpression?
    let rowCount: Int
    let cellByteCount: Int
  }

  /// Tensors by their places in the fork.
  ///
  /// - Parameters:
  ///   - base: the base.
  ///   - needed: of each of the fork's tensors its type and the base's tensor; nil where none is needed.
  /// - Throws: `missing` or `malformed` for tensors that the base hasn't, or has in a form that nothing can differ from.
  public init(
    _ base: BaseCheckpoint, _ needed: [(type: TensorType, name: String)?]
  ) throws(CheckpointError) {
    self.base = base
    evaluator = PooledEvaluator(base)
    var tensors: [Tensor?] = []
    tensors.reserveCapacity(needed.count)
    for need in needed {
      guard let need else {
        tensors.append(nil)
        continue
      }
      guard let position = base.checkpoint.position(of: need.name) else {
        throw CheckpointError(.missing, "the base has no such tensor", tensor: need.name)
      }
      let info = base.checkpoint.tensors[position]
      let isSame = info.dtype == need.type.dtype
      let type = TensorType(info.dtype, info.shape)
      guard type == need.type || need.type.differs(from: type) else {
        throw CheckpointError(
          .malformed, "nothing differs from such a tensor of the base", tensor: need.name)
      }
      tensors.append(
        Tensor(
          position: position,
          rounded: isSame
            ? nil
            : try CompiledExpression(
              .cast(.stored(info.name), need.type.dtype), in: base.checkpoint),
          rowCount: type.geometry.rows, cellByteCount: need.type.geometry.cellByteCount))
    }
    self.tensors = tensors
  }

  /// Copies a region of the base's tensor; rows that the base hasn't are zero.
  ///
  /// - Parameters:
  ///   - place: of the fork's tensor.
  ///   - region: of the fork's tensor.
  ///   - destination: room for the region.
  /// - Throws: what the base's reader throws.
  public func read(
    _ place: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    guard let tensor = tensors[place] else { return }
    let end = max(region.rows.lowerBound, min(region.rows.upperBound, tensor.rowCount))
    let known = MatrixRegion(rows: region.rows.lowerBound..<end, columns: region.columns)
    if !known.rows.isEmpty {
      if let rounded = tensor.rounded {
        try evaluator.evaluate(rounded, known, into: destination)
      } else {
        try base.read(tensor.position, known, into: destination)
      }
    }
    for row in known.rows.count..<region.rows.count {
      destination.advanced(rows: row).base.initializeMemory(
        as: UInt8.self, repeating: 0, count: region.columns.count * tensor.cellByteCount)
    }
  }

  /// Whether the base says itself what digest the tensor has, which was compared when it was opened and which its chunks are checked by.
  func hasRecordedDigest(_ place: Int) -> Bool {
    tensors[place].map { base.checkpoint.tensors[$0.position].recordedDigest != nil } ?? false
  }

  /// Makes sure of what a tensor was read from, as far as the base's format can tell.
  ///
  /// - Throws: `corrupt`, `inputOutput`.
  func confirm(_ place: Int) throws(CheckpointError) {
    if let tensor = tensors[place] { try base.confirm(tensor.position) }
  }
}
