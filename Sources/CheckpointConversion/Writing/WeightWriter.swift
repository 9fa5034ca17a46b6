import CheckpointFormats
import FileContainers
import Synchronization
import TensorEvaluation
import TensorModel

/// Writes the tensors of a plan into files, resumably.
protocol WeightWriter {
  /// Opens or creates the files, and takes over of an interrupted run's work what still holds.
  ///
  /// - Returns: how many tensors were taken over; their groups' results are set.
  /// - Throws: `noSpace`, `inputOutput`, `missing`.
  mutating func begin(_ claims: Journal.Claims) throws(CheckpointError) -> Int

  /// Evaluates and writes every group that has no result yet.
  ///
  /// - Throws: `overflow`, and whatever reading and writing throw.
  mutating func write() throws(CheckpointError)

  /// What is known of a store's volumes once they are written, which are complete and durable by then; empty for other formats.
  var volumes: [VolumeClaim] { get }

  /// Completes the files and makes them durable.
  ///
  /// - Returns: the files that hold tensors, with their sizes.
  /// - Throws: `noSpace` or `inputOutput`.
  mutating func finish() throws(CheckpointError) -> [Certificate.FileRecord]

  /// What was written, opened as any other checkpoint; after `finish`.
  ///
  /// - Throws: what opening throws.
  func written() throws(CheckpointError) -> any CheckpointReader

  /// Files that describe the weights, and what else stands in the destination; written after everything else.
  ///
  /// - Parameters:
  ///   - certificate: of the conversion.
  ///   - record: of its file.
  /// - Returns: names and contents, what makes the destination complete last.
  /// - Throws: `inputOutput`.
  func closingFiles(
    _ certificate: Certificate, _ record: StoreManifest.FileRecord
  ) throws(CheckpointError) -> [(name: String, contents: [UInt8])]
}

extension WeightWriter {
  /// There are none.
  var volumes: [VolumeClaim] { [] }

  /// There are none.
  func closingFiles(
    _ certificate: Certificate, _ record: StoreManifest.FileRecord
  ) -> [(name: String, contents: [UInt8])] { [] }
}

/// What a writer needs to know of the run that it is part of.
struct ConversionRun: Sendable {
  let plan: ConversionPlan
  let source: Source
  /// Where the work goes.
  let folder: String
  let resources: EvaluationResources
  let journal: Journal
  let results: GroupResults
  /// What values are written, of groups that are one tensor.
  let census: CensusCollector
  let progress: @Sendable (Int) -> Void

  /// A task for each of some groups of the plan.
  func tasks(_ places: [Int]) throws(CheckpointError) -> [EvaluationTask] {
    try plan.tasks(places, from: source)
  }

  /// Where the bytes of a slab lie in the source, if they are copied as they are.
  func place(of slab: EvaluatedSlab, group place: Int) -> FileRegion? {
    guard case .stored(let name) = plan.groups[place].expression, slab.parts.count == 1,
      let reader = source.reader as? any PlacedTensorReader,
      let position = reader.checkpoint.position(of: name)
    else { return nil }
    return reader.place(of: position)?.part(at: slab.byteOffset, count: slab.bytes.count)
  }

  /// What is to be recorded of an evaluated group.
  ///
  /// - Throws: `overflow` if a value became infinite and that isn't allowed.
  func claim(_ tensor: EvaluatedTensor, at place: Int) throws(CheckpointError) -> Journal.Claim {
    if tensor.report.overflowCount > 0 && !plan.settings.allowOverflow {
      throw try OverflowError.error(plan.groups[place], tensor.report, source.reader)
    }
    return plan.claim(tensor, at: place, census)
  }

  /// Takes over the results of groups that an interrupted run has written.
  func takeOver(_ claims: [Journal.Claim]) {
    for claim in claims {
      results.set(claim)
      progress(plan.groups[claim.group].byteCount)
    }
  }
}

/// Results of the groups, by their place in the plan.
final class GroupResults: Sendable {
  private let claims: Mutex<[Journal.Claim?]>

  init(count: Int) { claims = Mutex(Array(repeating: nil, count: count)) }

  func set(_ claim: Journal.Claim) { claims.withLock { $0[claim.group] = claim } }

  subscript(place: Int) -> Journal.Claim? { claims.withLock { $0[place] } }
}
