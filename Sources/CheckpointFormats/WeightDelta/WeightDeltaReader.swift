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

  /// Looks at the files, and compares the base with what the index says of it.
  ///
  /// - Throws: `malformed` for files that tell no such update, `missing`, `corrupt` for another base or a damaged update.
  init(
    _ index: WeightDeltaIndex, indexByteCount: Int, in tree: any FileTree, _ match: BaseMatch,
    _ unpacking: Unpacking
  ) throws(CheckpointError) {
    let base = match.base
    self.base = base
    var updates = [UpdatedTensor?](repeating: nil, count: base.modelTensorCount)
    var names = [String](
      repeating: SafetensorsFormat.indexFileName, count: base.modelTensorCount)
    var files = [
      Checkpoint.SourceFile(
        name: SafetensorsFormat.indexFileName, byteCount: indexByteCount)
    ]
    var seen: Set<ExactName> = []
    let named = Set(index.files.values)
    for file in named.sorted() {
      guard tree.containsFile(file) else {
        throw CheckpointError(
          .missing, "a file that the index names is not there", file: file,
          found: tree.obstacle(file), hint: "get the whole update again")
      }
      let region = try tree.region(file)
      files.append(.init(name: file, byteCount: region.byteCount))
      do throws(CheckpointError) {
        let header = try SafetensorsHeader(region)
        for entry in header.entries {
          do throws(CheckpointError) {
            guard index.files[ExactName(entry.name)] == file else {
              throw CheckpointError(.malformed, "the index doesn't place it in this file")
            }
            guard let position = base.checkpoint.position(of: entry.name),
              position < updates.count
            else {
              throw CheckpointError(
                .missing, "the base has no tensor of this name, which the update changes",
                hint: "name the base that the update changes by --base")
            }
            guard entry.dtype == .u8, entry.shape.rank == 1 else {
              throw CheckpointError(
                .malformed, "not a compressed update", expected: "a U8 vector",
                found: "\(entry.dtype.rawValue) \(entry.shape)")
            }
            guard let checksum = header.metadata[ExactName(entry.name)],
              let frame = region.part(
                at: header.dataOffset + entry.range.lowerBound, count: entry.range.count)
            else {
              throw CheckpointError(.malformed, "the file has no checksum of its new bytes")
            }
            updates[position] = UpdatedTensor(
              frame: frame, index, checksum: checksum, base, position,
              directory: unpacking.directory)
            names[position] = file
            seen.insert(ExactName(entry.name))
          } catch { throw error.in(tensor: entry.name) }
        }
      } catch { throw error.in(file: file) }
    }
    // Files in which nothing changed hold no tensor, and none names them.
    for file in try tree.children(of: "").sorted()
    where file.hasSuffix(".safetensors") && !named.contains(file) {
      let region = try tree.region(file)
      let header = try ifUsable { () throws(CheckpointError) in try SafetensorsHeader(region) }
      guard header?.entries.isEmpty == true else { continue }
      files.append(.init(name: file, byteCount: region.byteCount))
    }
    if let lost = index.files.keys.sorted().first(where: { !seen.contains($0) }) {
      throw CheckpointError(
        .missing, "no file has the tensor that the index names",
        file: SafetensorsFormat.indexFileName, tensor: lost.text,
        hint: "get the whole update again")
    }
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
        "\(index.encoding.rawValue), version \(index.version) of \(index.baseVersion), \(seen.count) of \(infos.count) tensors changed",
      tensors: infos, files: files)
    checkpoint.findings = nameFindings(infos)
    // An update has no files of the model beside it.
    checkpoint.carriesSidecars = true
    checkpoint.configuration = base.source.checkpoint.configuration
    checkpoint.assets = base.source.checkpoint.assets
    checkpoint.attention = base.source.checkpoint.attention
    self.checkpoint = checkpoint
    try checkRoots(index, match)
  }

  /// Compares the base, and what the update makes of it, with the roots that ours say.
  private func checkRoots(
    _ index: WeightDeltaIndex, _ match: BaseMatch
  ) throws(CheckpointError) {
    if let root = index.baseRoot {
      let found = try Self.root(base, match.resources)
      guard found == root else {
        throw CheckpointError(
          .corrupt, "the base isn't the checkpoint that the update changes",
          file: base.source.path, expected: "root \(root)", found: "root \(found)",
          hint: "name the base of version \(index.baseVersion) by --base")
      }
    }
    if let root = index.root {
      let found = try Self.root(self, match.resources)
      guard found == root else {
        throw CheckpointError(
          .corrupt, "the update gives another checkpoint than it says",
          file: SafetensorsFormat.indexFileName, expected: "root \(root)", found: "root \(found)",
          hint: "the update is damaged: get it again")
      }
    }
  }

  private static func root(
    _ reader: any CheckpointReader, _ resources: EvaluationResources
  ) throws(CheckpointError) -> Digest {
    var identities: [TensorIdentity] = []
    let tensors = reader.checkpoint.tensors
    for run in EvaluationTask.runs(of: tensors.count) {
      let collector = DigestCollector()
      try EvaluationPipeline(reader, resources).run(
        EvaluationTask.stored(in: reader.checkpoint, run), collector)
      for (place, tensor) in tensors[run].enumerated() {
        guard let digest = collector[place]?.digest else { continue }
        identities.append(
          TensorIdentity(
            name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: digest))
      }
    }
    return rootDigest(of: identities)
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
    } catch { throw error.in(file: tensor.file, tensor: tensor.name) }
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
