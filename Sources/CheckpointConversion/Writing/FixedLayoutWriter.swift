import CTensorKernels
import CheckpointFormats
import FileContainers
import Synchronization
import TensorEvaluation
import TensorModel

/// Writes files whose every offset is in the plan, tensors in any order; an interrupted run goes on after the last finished tensor.
struct FixedLayoutWriter: WeightWriter {
  private let run: ConversionRun
  private let checksums: Checksums
  private var files: [OutputFile] = []

  init(_ run: ConversionRun) {
    self.run = run
    checksums = Checksums(run.plan)
  }

  mutating func begin(_ claims: Journal.Claims) throws(CheckpointError) -> Int {
    try openFiles(keeping: !claims.groups.isEmpty)
    let accepted = try Resumption(run.plan, files, run.resources, checksums).accepted(
      claims.groups)
    run.takeOver(accepted)
    return accepted.reduce(0) { $0 + $1.digests.count }
  }

  private mutating func openFiles(keeping: Bool) throws(CheckpointError) {
    for file in run.plan.weightFiles {
      guard let layout = file.layout else { continue }
      let path = "\(run.folder)/\(file.name)"
      let isThere = fileExists(path)
      if isThere && !keeping { try Directories.removeTree(path) }
      try Directories.createParents(of: file.name, in: run.folder)
      let output =
        isThere && keeping
        ? try OutputFile(resuming: path, byteCount: layout.byteCount)
        : try OutputFile(creating: path, byteCount: layout.byteCount)
      for run in layout.frame { try output.write(at: run.byteOffset, run.bytes) }
      files.append(output)
    }
  }

  func write() throws(CheckpointError) {
    let rest = run.plan.groups.indices.filter { run.results[$0] == nil }
    for range in EvaluationTask.runs(of: rest.count) {
      let places = Array(rest[range])
      let consumer = PlacedGroups(run: run, places: places, files: files, checksums: checksums)
      try EvaluationPipeline(run.source.reader, run.resources).run(try run.tasks(places), consumer)
    }
  }

  func finish() throws(CheckpointError) -> [Certificate.FileRecord] {
    for (place, tensor) in run.plan.tensors.enumerated() {
      guard let checksum = tensor.place?.checksum else { continue }
      let value = checksums[place]
      let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
      for offset in checksum.byteOffsets { try files[tensor.file].write(at: offset, bytes) }
    }
    for file in files { try synchronise(file) }
    return run.plan.fileRecords
  }

  func written() throws(CheckpointError) -> any CheckpointReader {
    try run.plan.openedResult(in: run.folder)
  }

  /// After a failed sync nobody knows what is on the disk, whatever reading says: the file must be written anew.
  private func synchronise(_ file: OutputFile) throws(CheckpointError) {
    do { try file.synchronise() } catch {
      try? Directories.removeTree(file.path)
      throw error
    }
  }
}

/// Writes evaluated groups to the places of their parts and records them.
private struct PlacedGroups: EvaluationConsumer {
  let run: ConversionRun
  /// The tasks' places in the plan.
  let places: [Int]
  let files: [OutputFile]
  let checksums: Checksums

  func receive(_ slab: EvaluatedSlab, waiting: Bool) throws(CheckpointError) -> Bool {
    let group = run.plan.groups[places[slab.index]]
    guard !slab.bytes.isEmpty else { return true }
    try FiniteWeights.require(slab, group)
    var isWritten = false
    for (tensor, part) in zip(group.parts, slab.parts) {
      guard let place = tensor.place else { continue }
      // Once a part is written the others follow: a slab that isn't taken comes again as a whole.
      isWritten = try files[tensor.file].append(
        at: place.byteOffset + part.byteOffset, part.bytes,
        sharing: run.place(of: slab, group: places[slab.index]), waiting: waiting || isWritten)
      guard isWritten else { return false }
    }
    run.progress(slab.bytes.count)
    return true
  }

  func receiveInOrder(_ slab: EvaluatedSlab) {
    run.census.update(slab, at: places[slab.index])
    for (place, part) in zip(run.plan.places(of: places[slab.index]), slab.parts) {
      checksums.update(place, with: part.bytes)
    }
  }

  func finish(_ tensor: EvaluatedTensor) throws(CheckpointError) {
    let claim = try run.claim(tensor, at: places[tensor.index])
    try run.journal.record(claim)
    run.results.set(claim)
  }
}

/// CRC-32s of the tensors whose files want one, by their places in the plan.
final class Checksums: Sendable {
  private let values: Mutex<[Int: UInt32]>

  /// Each begins with the CRC-32 of what stands before the tensor.
  init(_ plan: ConversionPlan) {
    var seeds: [Int: UInt32] = [:]
    for (place, tensor) in plan.tensors.enumerated() { seeds[place] = tensor.place?.checksum?.seed }
    values = Mutex(seeds)
  }

  /// Takes in the next bytes of a tensor.
  func update(_ place: Int, with bytes: UnsafeRawBufferPointer) {
    guard let before = values.withLock({ $0[place] }) else { return }
    let after = wb_crc32(before, bytes.baseAddress, bytes.count)
    values.withLock { $0[place] = after }
  }

  /// Forgets what a tensor's was so far.
  func reset(_ place: Int, to seed: UInt32) { values.withLock { $0[place] = seed } }

  /// The CRC-32 of all that was taken in, and 0 where none is wanted.
  subscript(place: Int) -> UInt32 { values.withLock { $0[place] ?? 0 } }
}
