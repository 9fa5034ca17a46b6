public import FileContainers
public import TensorModel

/// A trainer's update without its base: compressed changes, of tensors whose dtypes and shapes only the base says.
public final class BareUpdate: CheckpointReader {
  /// The changes as they are stored.
  public let checkpoint: Checkpoint
  /// What it needs.
  public let need: BaseNeed
  /// The root of what it gives; nil where the index doesn't say it.
  public let root: Digest?
  private let changes: [WeightDeltaFiles.Change]

  init(
    _ index: WeightDeltaIndex, _ files: WeightDeltaFiles, _ need: BaseNeed
  ) throws(CheckpointError) {
    changes = files.changes
    self.need = need
    root = index.root
    var infos: [TensorInfo] = []
    for change in changes {
      infos.append(
        try TensorInfo(
          name: change.name, dtype: .u8, shape: Shape(checking: [change.frame.byteCount]),
          file: change.file))
    }
    var checkpoint = try Checkpoint(
      format: WeightDeltaFormat.name,
      layout:
        "\(index.versions), \(counted(infos.count, "tensor")) changed; compressed changes, whose dtypes and shapes the base has",
      tensors: infos, files: files.files)
    checkpoint.findings = nameFindings(infos)
    checkpoint.carriesSidecars = true
    self.checkpoint = checkpoint
  }

  /// Copies a region of a compressed change.
  ///
  /// - Throws: `inputOutput`.
  public func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let frame = changes[position].frame
    for (index, row) in region.rows.enumerated() {
      try frame.read(
        at: row + region.columns.lowerBound, into: destination.advanced(rows: index).base,
        count: region.columns.count)
    }
  }

  /// Decompresses a change, as far as it can be checked without the base.
  ///
  /// - Parameters:
  ///   - position: of the change.
  ///   - checkCancellation: called for each piece.
  /// - Throws: `corrupt` or `malformed` for a damaged frame; what `checkCancellation` throws.
  public func check(
    _ position: Int, _ checkCancellation: () throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let change = changes[position]
    do throws(CheckpointError) {
      let stream = try ZstdStream(SequentialRegion(change.frame))
      while try !stream.next(1 << 20).isEmpty { try checkCancellation() }
    } catch { throw error.in(file: change.file, tensor: change.name) }
  }

  /// Only the base says what they are.
  public func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    throw OpenOptions.withoutBase(need, of: nil)
  }
}
