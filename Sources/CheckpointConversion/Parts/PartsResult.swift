import CheckpointFormats
import FileContainers
import StoreWriting
import TensorEvaluation
import TensorModel

/// The result of a merge in the making: takes files out of the folders of the parts, joins pieces, and writes what describes them.
struct PartsResult {
  private let parts: CollectedParts
  /// Where it is put together.
  private let path: String
  private let resources: EvaluationResources
  private let progress: WorkProgress

  init(
    _ parts: CollectedParts, _ path: String, _ resources: EvaluationResources,
    _ progress: WorkProgress
  ) {
    self.parts = parts
    self.path = path
    self.resources = resources
    self.progress = progress
  }

  private var plan: RecordedPlan { parts.plan }

  // MARK: Files

  /// Moves or joins every file that isn't in its place yet.
  ///
  /// - Returns: the files that hold tensors.
  /// - Throws: `noSpace`, `inputOutput`, `interrupted`.
  func placeFiles() throws(CheckpointError) -> [Certificate.FileRecord] {
    try makeFolders()
    let pieces = try parts.pieces()
    let joined = pieces.indices.filter { pieces[$0].contains { $0.file.ranges != nil } }
    progress.begin(
      "joining", joined.reduce(0) { $0 + (plan.frame.files[$1].byteCount ?? 0) })
    var files: [Certificate.FileRecord] = []
    for (planned, pieces) in zip(plan.frame.files, pieces) {
      try resources.checkCancellation()
      if let piece = pieces.first, piece.file.ranges == nil {
        try move(parts.path(piece.file, of: piece.record), to: planned.name)
      } else {
        try join(pieces, into: planned)
      }
      let byteCount = planned.byteCount ?? pieces.first?.file.byteCount ?? 0
      try requireSize(planned.name, byteCount)
      files.append(.init(name: planned.name, byteCount: byteCount))
    }
    for record in parts.records {
      for name in record.head.sidecars {
        try move("\(parts.filesPath(of: record))/\(name)", to: name)
      }
    }
    for asset in plan.frame.certificate.assets { try requireSize(asset.name, asset.byteCount) }
    return files
  }

  /// Makes the folders of all files, and their names durable before anything is moved into them.
  private func makeFolders() throws(CheckpointError) {
    let names =
      plan.frame.files.map(\.name) + parts.records.flatMap(\.head.sidecars)
    for name in names { try Directories.createParents(of: name, in: path) }
    try Directories.synchroniseParents(of: names, in: path)
    try Directories.synchronise(path)
  }

  private func move(_ source: String, to name: String) throws(CheckpointError) {
    guard fileExists(source) else { return }
    let target = "\(path)/\(name)"
    guard try SharedFolder.move(source, to: target) else {
      throw CheckpointError(
        .conflict, "is there twice", file: target,
        hint: "another merge may be at work: wait for it to end, then repeat the command")
    }
  }

  private func requireSize(_ name: String, _ expected: Int) throws(CheckpointError) {
    let place = "\(path)/\(name)"
    let found = FileKind(ofEntry: place) == .file ? try InputFile(path: place).byteCount : nil
    guard found == expected else {
      throw CheckpointError(
        .corrupt, "isn't there as the parts have written it", file: place,
        expected: "\(expected) bytes", found: found.map { "\($0)" } ?? "nothing",
        hint:
          "remove what is left of the parts, and do them again: \(shellCommand("rm -r", parts.folder.partialPath))"
      )
    }
  }

  /// Copies pieces into their file, which needs no more room than one of them: each is removed when it is in.
  private func join(
    _ pieces: [(record: PartRecord, file: PartRecord.File)], into planned: RecordedPlan.File
  ) throws(CheckpointError) {
    let rest = pieces.filter { fileExists(parts.path($0.file, of: $0.record)) }
    let target = "\(path)/\(planned.name)"
    let file: OutputFile
    if fileExists(target) {
      file = try OutputFile(goingOnWith: target)
    } else {
      file = try OutputFile(creating: target, byteCount: 0)
      // Pieces are removed when they are in it: it mustn't be gone then.
      try Directories.synchronise(Directories.split(target).parent)
    }
    try file.resize(byteCount: planned.byteCount ?? 0)
    for piece in rest {
      let source = parts.path(piece.file, of: piece.record)
      let input = try InputFile(path: source)
      var offset = 0
      for range in piece.file.ranges ?? [] {
        let count = range[1] - range[0]
        try file.copy(offset..<offset + count, of: input, to: range[0]) {
          () throws(CheckpointError) in
          try resources.checkCancellation()
        }
        offset += count
        progress.add(count)
      }
      try file.synchronise()
      try Directories.removeTree(source)
    }
    try fillInChecksums(file, planned)
  }

  /// Checksums stand before their tensors, where the parts have written them, and elsewhere, which may be another part's.
  private func fillInChecksums(
    _ file: OutputFile, _ planned: RecordedPlan.File
  ) throws(CheckpointError) {
    guard !planned.checksums.isEmpty else { return }
    for places in planned.checksums where places.count > 1 {
      var bytes: [UInt8] = [0, 0, 0, 0]
      try file.read(at: places[0], into: &bytes, count: bytes.count)
      for place in places.dropFirst() { try file.write(at: place, bytes) }
    }
    try file.synchronise()
  }

  /// Where a file of the result is written, with nothing there.
  func emptyPlace(_ name: String) throws(CheckpointError) -> String {
    let place = "\(path)/\(name)"
    try Directories.removeTree(place)
    try Directories.createParents(of: name, in: path)
    return place
  }

  // MARK: What describes them

  private var claims: [Journal.Claim?] {
    var claims: [Journal.Claim?] = Array(repeating: nil, count: plan.groups.count)
    for claim in parts.records.flatMap(\.claims) where claims.indices.contains(claim.group) {
      claims[claim.group] = claim
    }
    return claims
  }

  /// The certificate, as a single run would have written it.
  ///
  /// - Throws: `inputOutput` where nobody has said what came of a tensor.
  func certificate(_ files: [Certificate.FileRecord]) throws(CheckpointError) -> Certificate {
    let claims = claims
    let groups = plan.groups
    let results = try ResultRecords(
      groupCount: groups.count, tensorCount: groups.reduce(0) { $0 + $1.tensors.count },
      tensors: { groups[$0].tensors }, { claims[$0] })
    var certificate = plan.frame.certificate
    var digests: [ExactName: Digest] = [:]
    for input in parts.records.flatMap(\.head.inputs) {
      digests[ExactName(input.name)] = input.digest
    }
    certificate.inputs = certificate.inputs.map {
      .init(name: $0.name, byteCount: $0.byteCount, digest: digests[ExactName($0.name)])
    }
    certificate.tensors = results.tensors
    certificate.files = files
    certificate.findings += parts.records.flatMap(\.head.findings) + results.findings
    certificate.root = results.root
    return certificate
  }

  /// Files that describe a store's weights; none for other formats.
  ///
  /// - Parameters:
  ///   - certificate: of the conversion.
  ///   - record: of its file.
  /// - Returns: names and contents, what makes the destination complete last.
  /// - Throws: `malformed`, `noSpace`, `inputOutput`.
  func closingFiles(
    _ certificate: Certificate, _ record: StoreManifest.FileRecord
  ) throws(CheckpointError) -> [(name: String, contents: [UInt8])] {
    guard let store = plan.frame.store else { return [] }
    let names = plan.frame.files.map(\.name)
    let links = try LinkFile.create(
      emptyPlace(StoreFormat.linkFileName),
      plan.groups.map { ($0.tensors[0].name, $0.tensors[0].file, false) })
    var tensors: [StoreManifest.Tensor] = []
    var placesByVolume: [String: [Int]] = [:]
    for (place, (group, tensor)) in zip(plan.groups, certificate.tensors).enumerated() {
      tensors.append(
        StoreManifest.Tensor(
          name: tensor.name, type: TensorType(tensor.dtype, tensor.shape), volume: tensor.file,
          dataset: StoreFormat.datasetPath(for: tensor.name), encoding: group.encoding,
          digest: tensor.digest))
      placesByVolume[tensor.file, default: []].append(place)
    }
    var chunks = [[StoredChunk]](repeating: [], count: tensors.count)
    var volumes: [StoreManifest.Volume?] = Array(repeating: nil, count: names.count)
    for claim in parts.records.flatMap(\.volumes) where names.indices.contains(claim.volume) {
      let name = names[claim.volume]
      volumes[claim.volume] = .init(
        name: name, byteCount: claim.byteCount, structureDigest: claim.structureDigest)
      for (place, tensor) in zip(placesByVolume[name] ?? [], claim.finished.chunks) {
        chunks[place] = tensor
      }
    }
    var manifest = StoreManifest(
      tensors: tensors, volumes: volumes.compactMap { $0 }, links: links, chunkTable: links,
      assets: [], certificate: record, root: certificate.root)
    guard manifest.volumes.count == names.count else {
      throw CheckpointError(
        .malformed, "the parts don't say of every volume what it is", file: parts.folder.path,
        hint: "do all parts again, with one version of weighbridge")
    }
    manifest.attention = certificate.attention ?? .causal
    manifest.architecture = certificate.source.architecture
    manifest.trainingStep = store.trainingStep
    for pair in store.metadata where pair.count == 2 {
      manifest.metadata[ExactName(pair[0])] = pair[1]
    }
    let hasConfiguration = certificate.assets.contains {
      $0.name == StoreClosing.configurationName
    }
    return StoreClosing.files(
      manifest, chunks, assets: certificate.assets,
      configuration: try hasConfiguration
        ? InputFile.contents(
          of: "\(path)/\(StoreClosing.configurationName)", limit: Int.max, recordedIn: nil) : nil)
  }
}
