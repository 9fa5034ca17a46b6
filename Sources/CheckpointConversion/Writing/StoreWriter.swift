import CheckpointFormats
import FileContainers
import StoreWriting
import TensorEvaluation
import TensorModel

/// Writes a canonical weight store, volume after volume; an interrupted run goes on after the last finished one.
struct StoreWriter: WeightWriter {
  /// Files beside volumes and assets; the manifest makes the store complete.
  static let companions = [
    StoreFormat.chunkTableName, StoreFormat.linkFileName, StoreFormat.manifestName,
  ]

  private let run: ConversionRun
  private var finished: [FinishedVolume?]
  private var links: StoreManifest.FileRecord?

  init(_ run: ConversionRun) {
    // Parts of a source are tensors of their own in a store, so that a group's place is its tensor's.
    precondition(run.plan.groups.count == run.plan.tensors.count)
    self.run = run
    finished = Array(repeating: nil, count: run.plan.weightFiles.count)
  }

  /// Places of a volume's tensors in the plan.
  private func places(of volume: Int) -> [Int] {
    run.plan.tensors.indices.filter { run.plan.tensors[$0].file == volume }
  }

  // MARK: An interrupted run

  mutating func begin(_ claims: Journal.Claims) throws(CheckpointError) -> Int {
    var results: [Int: Journal.Claim] = [:]
    for claim in claims.groups { results[claim.group] = claim }
    var count = 0
    // A volume that was done again has several claims, of which the last counts.
    for claim in claims.volumes.reversed()
    where finished.indices.contains(claim.volume) && finished[claim.volume] == nil {
      let tensors = places(of: claim.volume).compactMap { results[$0] }
      guard try holds(claim, tensors) else { continue }
      finished[claim.volume] = claim.finished
      run.takeOver(tensors)
      count += tensors.count
    }
    return count
  }

  /// Whether a volume is what the journal says, down to the digests of its tensors.
  private func holds(
    _ claim: VolumeClaim, _ tensors: [Journal.Claim]
  ) throws(CheckpointError) -> Bool {
    let name = run.plan.weightFiles[claim.volume].name
    let path = "\(run.folder)/\(name)"
    guard fileExists(path), tensors.map(\.group) == places(of: claim.volume) else { return false }
    let region = try InputFile(path: path).region
    do throws(CheckpointError) {
      guard region.byteCount == claim.byteCount,
        try VolumeStructure.digest(of: region, around: claim.finished.chunks.flatMap { $0 })
          == claim.structureDigest
      else { return false }
      let reader = try self.reader(
        manifest(of: [claim.volume]) { place in
          tensors.first { $0.group == place }?.digests.first
        },
        claim.finished.chunks, [name: region])
      try EvaluationPipeline(reader, run.resources).run(
        EvaluationTask.stored(in: reader.checkpoint), DigestCollector())
      return true
    } catch {
      if error.code.isTransient { throw error }
      return false
    }
  }

  /// Reads volumes of which everything is known, together with the base where they are differences.
  private func reader(
    _ manifest: StoreManifest, _ chunks: [[StoredChunk]], _ volumes: [String: FileRegion]
  ) throws(CheckpointError) -> any CheckpointReader {
    let store = try StoreReader(manifest, chunks, volumes)
    guard let base = run.source.target else { return store }
    return try DifferenceReader(store, base, run.resources)
  }

  // MARK: Volumes

  mutating func write() throws(CheckpointError) {
    for volume in finished.indices where finished[volume] == nil {
      let path = "\(run.folder)/\(run.plan.weightFiles[volume].name)"
      try Directories.removeTree(path)
      let places = places(of: volume)
      let written = try write(places, to: path)
      for place in places {
        if let claim = run.results[place] { try run.journal.record(claim) }
      }
      try run.journal.record(VolumeClaim(volume: volume, written))
      finished[volume] = written
    }
  }

  private func write(
    _ places: [Int], to path: String
  ) throws(CheckpointError) -> FinishedVolume {
    let datasets = places.map { place in
      let tensor = run.plan.tensors[place]
      return PlannedDataset(
        name: tensor.name, type: tensor.type, encoding: tensor.encoding ?? .contiguous,
        base: tensor.difference?.name)
    }
    let tasks = zip(try run.tasks(places), datasets).map { task, dataset in
      EvaluationTask(
        name: task.name, expression: task.expression,
        pieces: dataset.grid.regions(dataset.type.geometry))
    }
    if datasets.allSatisfy({ $0.encoding == .contiguous }) {
      let volume = try ContiguousVolume(creating: path, datasets)
      try EvaluationPipeline(run.source.reader, run.resources).run(
        tasks, ContiguousTensors(run: run, places: places, volume: volume))
      return try volume.close()
    }
    var level: Int?
    if case .zstd(let asked) = run.plan.settings.compression { level = asked }
    let volume = try CompressedVolume(creating: path, datasets, level: level)
    let differences = try run.source.target.map { (base) throws(CheckpointError) in
      try DifferenceSlabs(base, places.map { run.plan.tensors[$0] })
    }
    // What is encoded takes as much memory as what is evaluated, and so do differences.
    try EvaluationPipeline(
      run.source.reader, run.resources.divided(by: differences == nil ? 2 : 3)
    ).run(
      tasks,
      CompressedTensors(run: run, places: places, volume: volume, differences: differences))
    return try volume.close()
  }

  // MARK: Manifest

  var volumes: [VolumeClaim] {
    finished.enumerated().compactMap { place, volume in
      volume.map { VolumeClaim(volume: place, $0) }
    }
  }

  mutating func finish() throws(CheckpointError) -> [Certificate.FileRecord] {
    let path = "\(run.folder)/\(StoreFormat.linkFileName)"
    try Directories.removeTree(path)
    links = try LinkFile.create(
      path,
      run.plan.tensors.filter { $0.encoding != .base }.map {
        ($0.name, run.plan.weightFiles[$0.file].name, $0.difference != nil)
      })
    return zip(run.plan.weightFiles, finished).map { file, volume in
      .init(name: file.name, byteCount: volume?.byteCount ?? 0)
    }
  }

  func closingFiles(
    _ certificate: Certificate, _ record: StoreManifest.FileRecord
  ) throws(CheckpointError) -> [(name: String, contents: [UInt8])] {
    var manifest = manifest(of: finished.indices) { run.results[$0]?.digests.first }
    manifest.links = links ?? manifest.links
    manifest.certificate = record
    manifest.root = certificate.root
    manifest.architecture = run.plan.source.architecture
    manifest.trainingStep = run.source.checkpoint.trainingStep
    manifest.metadata = try Planner(run.source, run.plan.settings, run.resources).metadata()
    let configuration = run.plan.sidecars.first { $0.name == StoreClosing.configurationName }
    return StoreClosing.files(
      manifest, chunks, assets: run.plan.assetRecords,
      configuration: try configuration?.contents())
  }

  func written() throws(CheckpointError) -> any CheckpointReader {
    var volumes: [String: FileRegion] = [:]
    for file in run.plan.weightFiles {
      volumes[file.name] = try InputFile(path: "\(run.folder)/\(file.name)").region
    }
    return try reader(
      manifest(of: finished.indices) { run.results[$0]?.digests.first }, chunks, volumes)
  }

  /// The chunks of all tensors, by their places in the plan.
  private var chunks: [[StoredChunk]] {
    var chunks: [[StoredChunk]] = Array(repeating: [], count: run.plan.tensors.count)
    for (volume, finished) in finished.enumerated() {
      for (place, tensor) in zip(places(of: volume), finished?.chunks ?? []) {
        chunks[place] = tensor
      }
    }
    return chunks
  }

  /// What the manifest says of some volumes and their tensors.
  private func manifest(
    of volumes: some Sequence<Int>, _ digest: (Int) -> Digest?
  ) -> StoreManifest {
    let nothing = StoreManifest.FileRecord(name: "none", contents: [])
    var manifest = StoreManifest(
      tensors: [], volumes: [], links: nothing, chunkTable: nothing, assets: [],
      certificate: nothing, root: nothing.digest)
    manifest.attention = run.plan.attention
    manifest.base = run.plan.base
    let chosen = Set(volumes)
    for (place, tensor) in run.plan.tensors.enumerated() where chosen.contains(tensor.file) {
      let isElsewhere = tensor.encoding == .base
      manifest.tensors.append(
        StoreManifest.Tensor(
          name: tensor.name, type: tensor.type,
          volume: isElsewhere ? nil : run.plan.weightFiles[tensor.file].name,
          dataset: isElsewhere
            ? nil
            : StoreFormat.datasetPath(for: tensor.name, isDifference: tensor.difference != nil),
          encoding: tensor.encoding ?? .contiguous, digest: digest(place) ?? nothing.digest,
          base: tensor.base))
    }
    for volume in chosen.sorted() {
      guard let finished = finished[volume] else { continue }
      manifest.volumes.append(
        StoreManifest.Volume(
          name: run.plan.weightFiles[volume].name, byteCount: finished.byteCount,
          structureDigest: finished.structureDigest))
    }
    return manifest
  }
}

/// Evaluated tensors on their way to a compressed volume.
private struct CompressedTensors: EvaluationConsumer {
  let run: ConversionRun
  let places: [Int]
  let volume: CompressedVolume
  let differences: DifferenceSlabs?
  private let encoded = EncodedSlabs()

  init(
    run: ConversionRun, places: [Int], volume: CompressedVolume, differences: DifferenceSlabs?
  ) {
    self.run = run
    self.places = places
    self.volume = volume
    self.differences = differences
  }

  var order: EvaluationOrder { .sequential }

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    let range = slab.byteOffset..<slab.byteOffset + slab.bytes.count
    let tensor = run.plan.tensors[places[slab.index]]
    if tensor.encoding == .base { return true }
    if let differences, tensor.difference != nil {
      encoded.put(
        try differences.withDifferences(slab, of: tensor.type) { (bytes) throws(CheckpointError) in
          try volume.encode(bytes, at: slab.byteOffset, of: slab.index)
        }, slab)
      return true
    }
    // A store that is only sharded anew keeps its chunks as they are.
    if run.plan.settings.compression == nil, let store = run.source.reader as? StoreReader,
      case .stored(let name) = tensor.expression,
      let position = store.checkpoint.position(of: name),
      case let encoding = store.manifest.tensors[position].encoding, encoding != .contiguous,
      encoding == tensor.encoding
    {
      encoded.put(try volume.copy(range, of: slab.index, from: store, position), slab)
    } else {
      encoded.put(
        try volume.encode(slab.bytes, at: slab.byteOffset, of: slab.index), slab)
    }
    return true
  }

  func receiveInSequence(_ slab: EvaluatedSlab) throws(CheckpointError) {
    if run.plan.tensors[places[slab.index]].encoding != .base {
      try volume.write(encoded.take(slab), slab.bytes, of: slab.index)
    }
    run.progress(slab.bytes.count)
  }

  func receiveInOrder(_ slab: EvaluatedSlab) { run.census.update(slab, at: places[slab.index]) }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    volume.finish(tensor.index)
    let planned = run.plan.tensors[places[tensor.index]]
    if planned.encoding == .base, let base = planned.base, base.digest != tensor.digest {
      throw CheckpointError(
        .inputOutput, "changed while it was read", tensor: planned.name,
        expected: "\(base.digest)", found: "\(tensor.digest)")
    }
    run.results.set(try run.claim(tensor, at: places[tensor.index]))
  }
}

/// Evaluated tensors on their way to a volume that isn't compressed.
private struct ContiguousTensors: EvaluationConsumer {
  let run: ConversionRun
  let places: [Int]
  let volume: ContiguousVolume

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    let isWritten = try volume.append(
      slab.bytes, at: slab.byteOffset, of: slab.index,
      sharing: run.place(of: slab, group: places[slab.index]), waiting: waiting)
    if isWritten { run.progress(slab.bytes.count) }
    return isWritten
  }

  func receiveInOrder(_ slab: EvaluatedSlab) { run.census.update(slab, at: places[slab.index]) }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    run.results.set(try run.claim(tensor, at: places[tensor.index]))
  }
}
