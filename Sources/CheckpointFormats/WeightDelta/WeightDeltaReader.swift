import FileContainers
import TensorEvaluation
public import TensorModel

/// A trainer's update together with its base: the base's tensors, those that changed as they are now.
public final class WeightDeltaReader: BasedReader {
  /// The model's tensors, in the base's order.
  public let checkpoint: Checkpoint
  /// The base.
  public let base: BaseCheckpoint
  /// By their places; nil for tensors that are the base's.
  private let updates: [UpdatedTensor?]
  private let tellsEach: Bool
  /// What it needs.
  let need: BaseNeed

  /// Compares the base with what the index and the files say of it.
  ///
  /// - Throws: `missing` for tensors that the base hasn't, `corrupt` for another base or a damaged update.
  init(
    _ index: WeightDeltaIndex, _ files: WeightDeltaFiles, _ need: BaseNeed, _ match: BaseMatch,
    _ unpacking: Unpacking
  ) throws(CheckpointError) {
    let base = match.base
    self.base = base
    self.need = need
    tellsEach = match.tellsEach
    var updates = [UpdatedTensor?](repeating: nil, count: base.modelTensorCount)
    var names = [String](repeating: WeightDeltaFormat.indexName, count: base.modelTensorCount)
    var errors: [CheckpointError] = []
    for change in files.changes {
      guard let position = base.checkpoint.position(of: change.name), position < updates.count
      else {
        let error = CheckpointError(
          .missing, "the base has no tensor of this name, which the update changes",
          file: change.file, tensor: change.name,
          hint: "name the base that the update changes by --base"
        ).ofWrongBase
        guard match.tellsEach else { throw error }
        errors.append(error)
        continue
      }
      updates[position] = UpdatedTensor(
        frame: change.frame, index, checksum: change.checksum, base, position,
        directory: unpacking.directory)
      names[position] = change.file
    }
    if let error = errors.joined { throw error }
    self.updates = updates
    var infos: [TensorInfo] = []
    for (position, info) in base.checkpoint.tensors.prefix(updates.count).enumerated() {
      infos.append(
        try TensorInfo(
          name: info.name, dtype: info.dtype, shape: info.shape, file: names[position],
          recordedDigest: updates[position] == nil ? info.recordedDigest : nil))
    }
    var checkpoint = try Checkpoint(
      format: WeightDeltaFormat.name,
      layout:
        "\(index.versions), \(files.changes.count) of \(counted(infos.count, "tensor")) changed",
      tensors: infos, files: files.files)
    checkpoint.findings = nameFindings(infos)
    if index.baseRoot == nil, index.root == nil {
      checkpoint.findings += Self.unprovenTensors(infos.count - files.changes.count, of: base)
    }
    // An update has no files of the model beside it.
    checkpoint.carriesSidecars = true
    checkpoint.configuration = base.source.checkpoint.configuration
    checkpoint.assets = base.source.checkpoint.assets
    checkpoint.attention = base.source.checkpoint.attention
    self.checkpoint = checkpoint
    if index.baseRoot != nil || index.root != nil { try checkRoots(index, match) }
  }

  /// What is said of tensors that are the base's, whatever that is: the update has neither its root nor theirs.
  private static func unprovenTensors(_ count: Int, of base: BaseCheckpoint) -> [Finding] {
    guard count > 0 else { return [] }
    return [
      Finding(
        .warning, "base-unproven",
        "the update names its base by a counter, and nothing tells whether '\(base.hint)' is that one in the \(counted(count, "tensor")) that it doesn't change: make sure of it by other means",
        file: WeightDeltaFormat.indexName)
    ]
  }

  /// Compares the base, and what the update makes of it, with the roots that ours say.
  private func checkRoots(
    _ index: WeightDeltaIndex, _ match: BaseMatch
  ) throws(CheckpointError) {
    let digests: BaseDigests
    if let known = match.digests {
      digests = known
    } else {
      digests = try BaseDigests(base, match.resources)
    }
    if let root = index.baseRoot, digests.root != root {
      throw CheckpointError(
        .corrupt, "the base isn't the checkpoint that the update changes",
        file: base.source.path, expected: "root \(root)", found: "root \(digests.root)",
        hint: "name version \(index.baseVersion), which is the base, by --base"
      ).ofWrongBase
    }
    if let root = index.root {
      let found = try self.root(digests, match.resources)
      guard found == root else {
        throw CheckpointError(
          .corrupt, "the update gives another checkpoint than it says",
          file: WeightDeltaFormat.indexName, expected: "root \(root)", found: "root \(found)",
          hint: "the update is damaged: get it again")
      }
    }
  }

  /// The root of the result: what changed is read.
  private func root(
    _ digests: BaseDigests, _ resources: EvaluationResources
  ) throws(CheckpointError) -> Digest {
    var identities: [TensorIdentity] = []
    for (position, tensor) in checkpoint.tensors.enumerated() {
      identities.append(
        TensorIdentity(
          name: tensor.name, dtype: tensor.dtype, shape: tensor.shape,
          digest: digests.tensor(position).digest))
    }
    let changed = updates.indices.filter { updates[$0] != nil }
    for run in EvaluationTask.runs(of: changed.count) {
      let places = changed[run]
      let collector = DigestCollector(goesOnAfterErrors: true)
      try EvaluationPipeline(self, resources).run(
        places.flatMap { EvaluationTask.stored(in: checkpoint, $0..<$0 + 1) }, collector)
      if let error = collector.errors.first { throw error }
      for (task, place) in places.enumerated() {
        guard let digest = collector[task]?.digest else { continue }
        identities[place] = TensorIdentity(
          name: identities[place].name, dtype: identities[place].dtype,
          shape: identities[place].shape, digest: digest)
      }
    }
    return rootDigest(of: identities)
  }

  /// Makes sure that all that changed can be made of the base.
  ///
  /// - Parameter position: where to stop; nil looks at all.
  /// - Throws: the first tensor's error.
  func checkUpdates(before position: Int? = nil) throws(CheckpointError) {
    for place in 0..<(position ?? updates.count) {
      guard let update = updates[place] else { continue }
      do throws(CheckpointError) { try update.check() } catch {
        throw error.in(
          file: checkpoint.tensors[place].file, tensor: checkpoint.tensors[place].name)
      }
    }
  }

  /// Copies a region of a tensor.
  ///
  /// - Throws: what the base's reader throws; `corrupt` or `malformed` for a damaged update.
  public func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    guard let update = updates[position] else {
      return try base.read(position, region, into: destination)
    }
    let tensor = checkpoint.tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    let run = region.columns.count * geometry.cellByteCount
    do throws(CheckpointError) {
      if region.columns.count == geometry.columns && destination.rowStride == run {
        try update.read(
          at: region.rows.lowerBound * run, into: destination.base, count: region.rows.count * run)
        return
      }
      for (index, row) in region.rows.enumerated() {
        try update.read(
          at: row * geometry.rowByteCount + region.columns.lowerBound * geometry.cellByteCount,
          into: destination.advanced(rows: index).base, count: run)
      }
    } catch {
      // The first in order names the error, in whatever order tensors are read.
      if !tellsEach, !error.code.isTransient { try checkUpdates(before: position) }
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
  }

  /// Makes sure of what was read from the base; what was made of it has been checked.
  ///
  /// - Throws: `corrupt`, `inputOutput`.
  public func confirm(_ position: Int) throws(CheckpointError) {
    if let update = updates[position] { update.release() } else { try base.confirm(position) }
  }

  /// Checksums have told.
  public func confirmBase() {}
}
