import CTensorKernels
import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// Writes a trainer's update, file after file; an interrupted run begins again.
struct WeightDeltaWriter: WeightWriter {
  private let run: ConversionRun
  private let base: BaseCheckpoint
  private var sizes: [Int] = []

  init(_ run: ConversionRun) throws(CheckpointError) {
    guard let base = run.source.target else {
      throw CheckpointError(
        .usage, "an update needs a base", hint: "name the base by --base PATH")
    }
    self.run = run
    self.base = base
  }

  func begin(_ claims: Journal.Claims) -> Int { 0 }

  mutating func write() throws(CheckpointError) {
    for (number, planned) in run.plan.weightFiles.enumerated() {
      let path = "\(run.folder)/\(planned.name)"
      try Directories.removeTree(path)
      let places = run.plan.tensors.indices.filter { run.plan.tensors[$0].file == number }
      let tensors = places.map { run.plan.tensors[$0] }
      let file = try WeightDeltaFile(
        creating: path, tensors.filter { $0.difference != nil }.map(\.name))
      let changes = ChangedBytes(
        run: run, places: places, file: file, base: try DifferenceSlabs(base, tensors))
      try EvaluationPipeline(run.source.reader, run.resources.halved)
        .run(try run.tasks(places), changes)
      sizes.append(try file.finish())
      for place in places {
        if let claim = run.results[place] { try run.journal.record(claim) }
      }
    }
  }

  func finish() -> [Certificate.FileRecord] {
    zip(run.plan.weightFiles, sizes).map { .init(name: $0.name, byteCount: $1) }
  }

  func written() throws(CheckpointError) -> any CheckpointReader {
    throw CheckpointError(
      .usage, "an update can't be run by itself",
      hint: "leave out --validate, and compare it afterwards: weighbridge compare --forward --base")
  }

  func closingFiles(
    _ certificate: Certificate, _ record: StoreManifest.FileRecord
  ) -> [(name: String, contents: [UInt8])] {
    let version = run.plan.settings.deltaVersion ?? 1
    let metadata: [(String, String)] = [
      ("base_version", "\(version - 1, digits: 6)"), ("checksum_format", "xxh3-128"),
      ("compression_format", "zstd"), ("delta_encoding", "xor"),
      ("version", "\(version, digits: 6)"),
      (WeightDeltaIndex.baseRootKey, (run.plan.base?.root ?? certificate.root).description),
      (WeightDeltaIndex.rootKey, certificate.root.description),
    ]
    let files = run.plan.tensors.filter { $0.difference != nil }
      .map { (ExactName($0.name), run.plan.weightFiles[$0.file].name) }
      .sorted { $0.0 < $1.0 }
    let document = JSONValue.object([
      .init("metadata", .object(metadata.map { .init($0.0, .string($0.1)) })),
      .init("weight_map", .object(files.map { .init($0.0.text, .string($0.1)) })),
    ])
    return [(WeightDeltaFormat.indexName, Array((document.documentText + "\n").utf8))]
  }
}

/// Evaluated tensors on their way to a file of changes.
private struct ChangedBytes: EvaluationConsumer {
  let run: ConversionRun
  let places: [Int]
  let file: WeightDeltaFile
  let base: DifferenceSlabs

  var order: EvaluationOrder { .sequential }

  func receiveInSequence(_ slab: EvaluatedSlab) throws(CheckpointError) {
    let tensor = run.plan.tensors[places[slab.index]]
    if tensor.difference != nil {
      try base.withCombination(slab, of: tensor.type) { (bytes) throws(CheckpointError) in
        try file.append(
          slab.bytes, bytes, at: slab.byteOffset, of: tensor.byteCount, tensor.name)
      }
    }
    run.progress(slab.bytes.count)
  }

  func receiveInOrder(_ slab: EvaluatedSlab) { run.census.update(slab, at: places[slab.index]) }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    run.results.set(try run.claim(tensor, at: places[tensor.index]))
  }
}
