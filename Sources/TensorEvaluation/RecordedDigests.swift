import FileContainers
import Synchronization
import TensorModel

/// Checks stored tensors against the digests that their checkpoint records, each once.
final class RecordedDigests: Sendable {
  private let evaluator: TensorEvaluator
  private let reader: any CheckpointReader
  private let resources: EvaluationResources
  /// The checkpoint's.
  private let tensors: [TensorInfo]
  private let checked = Mutex<Set<Int>>([])

  init(
    _ reader: any CheckpointReader, _ evaluator: TensorEvaluator, _ resources: EvaluationResources
  ) {
    self.reader = reader
    self.evaluator = evaluator
    self.resources = resources
    tensors = reader.checkpoint.tensors
  }

  /// Checks what an evaluated tensor was computed from.
  ///
  /// - Parameters:
  ///   - expression: how.
  ///   - digests: of the result's parts; of one that is all, that of the stored tensor where it is copied as it is.
  ///   - scratch: room to work in.
  /// - Throws: `corrupt`, and what reading throws.
  func check(
    _ expression: CompiledExpression, _ digests: [Digest], _ scratch: ScratchArena
  ) throws(CheckpointError) {
    if case .stored(let position, _) = expression.root.operation, digests.count == 1 {
      try compare(position, digests[0])
      return
    }
    guard resources.checksRecordedDigests else { return }
    for position in expression.storedPositions where tensors[position].recordedDigest != nil {
      guard checked.withLock({ $0.insert(position).inserted }) else { continue }
      try compare(position, self.digest(of: position, scratch))
    }
  }

  /// Checks a stored tensor that was read whole.
  ///
  /// - Throws: `corrupt`.
  func compare(_ position: Int, _ digest: Digest) throws(CheckpointError) {
    guard resources.checksRecordedDigests, let recorded = tensors[position].recordedDigest,
      recorded != digest.hexadecimal
    else { return }
    let tensor = tensors[position]
    if let cause = try reader.cause(ofWrongDigestAt: position) { throw cause }
    throw CheckpointError(
      .corrupt, "its bytes are not those that were stored", file: tensor.file, tensor: tensor.name,
      expected: "sha256:\(recorded)", found: "\(digest)",
      hint: "the checkpoint is damaged: get it again, or make it again from its source")
  }

  private func digest(
    of position: Int, _ scratch: ScratchArena
  ) throws(CheckpointError) -> Digest {
    let tensor = tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    var stream = StreamingDigest()
    let limit = evaluator.scratchByteCount / 2
    for region in geometry.whole.tiles(cellByteCount: geometry.cellByteCount, limit: limit) {
      try resources.checkCancellation()
      let byteCount = region.cellCount * geometry.cellByteCount
      try scratch.withPiece(byteCount: byteCount) { (piece) throws(CheckpointError) in
        try reader.read(
          position, region,
          into: MatrixBuffer(
            base: piece, rowStride: region.columns.count * geometry.cellByteCount))
        stream.update(UnsafeRawBufferPointer(start: piece, count: byteCount))
      }
    }
    return stream.digest
  }
}
