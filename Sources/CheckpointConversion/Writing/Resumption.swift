import FileContainers
import Synchronization
import TensorEvaluation
import TensorModel

/// Re-hashes what an interrupted run claims to have written.
struct Resumption {
  private let plan: ConversionPlan
  private let files: [OutputFile]
  private let resources: EvaluationResources
  private let checksums: Checksums

  init(
    _ plan: ConversionPlan, _ files: [OutputFile], _ resources: EvaluationResources,
    _ checksums: Checksums
  ) {
    self.plan = plan
    self.files = files
    self.resources = resources
    self.checksums = checksums
  }

  /// The claims that hold: one for each group, the bytes of its parts in the files having the digests.
  func accepted(_ claims: [Journal.Claim]) throws(CheckpointError) -> [Journal.Claim] {
    var latest: [Int: Journal.Claim] = [:]
    for claim in claims
    where plan.groups.indices.contains(claim.group)
      && claim.digests.count == plan.groups[claim.group].parts.count
    {
      latest[claim.group] = claim
    }
    let candidates = latest.values.sorted { $0.group < $1.group }
    guard !candidates.isEmpty else { return [] }
    let reader = try WrittenTensors(plan, files)
    var tasks: [EvaluationTask] = []
    let places = candidates.flatMap { plan.places(of: $0.group) }
    for place in places {
      let name = plan.tensors[place].name
      tasks.append(
        EvaluationTask(
          name: name, expression: try CompiledExpression(.stored(name), in: reader.checkpoint)))
    }
    let rehash = Rehash(places, checksums)
    try EvaluationPipeline(reader, resources).run(tasks, rehash)
    var accepted: [Journal.Claim] = []
    var first = 0
    for claim in candidates {
      let tasks = first..<first + claim.digests.count
      first = tasks.upperBound
      if tasks.map({ rehash.digests[$0]?.digest }) == claim.digests {
        accepted.append(claim)
        continue
      }
      for place in plan.places(of: claim.group) {
        if let checksum = plan.tensors[place].place?.checksum {
          checksums.reset(place, to: checksum.seed)
        }
      }
    }
    return accepted
  }
}

/// Digests and checksums of tensors that are read back.
private struct Rehash: EvaluationConsumer {
  let digests = DigestCollector()
  private let places: [Int]
  private let checksums: Checksums

  init(_ places: [Int], _ checksums: Checksums) {
    self.places = places
    self.checksums = checksums
  }

  func receiveInOrder(_ slab: EvaluatedSlab) {
    checksums.update(places[slab.index], with: slab.bytes)
  }

  func finish(_ tensor: EvaluatedTensor) { digests.finish(tensor) }
}

/// The tensors of a plan as they stand in its unfinished files.
private final class WrittenTensors: CheckpointReader {
  let checkpoint: Checkpoint
  private let plan: ConversionPlan
  private let files: [OutputFile]

  init(_ plan: ConversionPlan, _ files: [OutputFile]) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    for tensor in plan.tensors {
      tensors.append(
        try TensorInfo(
          name: tensor.name, dtype: tensor.type.dtype, shape: tensor.type.shape,
          file: plan.weightFiles[tensor.file].name))
    }
    checkpoint = try Checkpoint(
      format: plan.format, layout: "unfinished", tensors: tensors, files: [])
    self.plan = plan
    self.files = files
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let tensor = plan.tensors[position]
    guard let place = tensor.place else {
      throw CheckpointError(.unsupported, "has no place of its own", tensor: tensor.name)
    }
    let geometry = tensor.type.geometry
    let run = region.columns.count * geometry.cellByteCount
    // Of a vector every element is a row.
    if region.columns.count == geometry.columns && destination.rowStride == run {
      try files[tensor.file].read(
        at: place.byteOffset + region.rows.lowerBound * run, into: destination.base,
        count: region.rows.count * run)
      return
    }
    for (index, row) in region.rows.enumerated() {
      let offset =
        place.byteOffset + row * geometry.rowByteCount
        + region.columns.lowerBound * geometry.cellByteCount
      try files[tensor.file].read(
        at: offset, into: destination.advanced(rows: index).base, count: run)
    }
  }
}
