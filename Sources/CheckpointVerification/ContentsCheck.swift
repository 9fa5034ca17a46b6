import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorEvaluation
import TensorModel

/// Reads every stored tensor: checksums of the container are checked on the way, values that a dtype doesn't have are found.
struct ContentsCheck {
  /// What was read.
  struct Contents: Codable {
    /// Identities of the stored tensors, in their order.
    var identities: [TensorIdentity] = []
    /// What values they have, in the same order; empty if nobody asked.
    var census: [ValueCensus?] = []
  }

  private let source: Source
  private let resources: EvaluationResources
  private let countsValues: Bool
  private let progress: WorkProgress
  private let baseFindings: [Finding]
  private let dtypes: LookedAtDTypes

  /// Findings of opening a checkpoint that are about tensors' bytes.
  static let kinds: Set = ["data-missing", "base-unproven"]

  /// - Parameters:
  ///   - source: is read.
  ///   - resources: memory and threads.
  ///   - countsValues: whether values are looked at, too.
  ///   - progress: told of bytes as they are read.
  ///   - baseFindings: what is wrong with the base that was given, where it was opened without.
  init(
    _ source: Source, _ resources: EvaluationResources, countsValues: Bool,
    _ progress: WorkProgress, baseFindings: [Finding] = []
  ) {
    self.baseFindings = baseFindings
    self.source = source
    self.resources = resources
    self.countsValues = countsValues
    self.progress = progress
    dtypes = LookedAtDTypes(source)
  }

  /// Records the check.
  ///
  /// - Returns: what was read; nil if one couldn't be.
  /// - Throws: what keeps the check from running.
  func run(_ report: inout VerificationReport) throws(CheckpointError) -> Contents? {
    if let check = DifferenceContentsCheck(source, resources, progress) {
      check.conclude(baseFindings + (try check.read()), &report)
      return nil
    }
    progress.begin("reading", source.reader.checkpoint.byteCount)
    return try conclude(read(source.checkpoint.tensors.indices), &report)
  }

  /// What reading some of the tensors has brought up.
  struct Reading: Codable {
    /// What was read.
    var contents = Contents()
    /// Tensors that can't be read as they were written.
    var errors: [Finding] = []
    /// Values that a dtype doesn't have.
    var values: [Finding] = []
  }

  /// Reads a share of the tensors.
  ///
  /// - Parameter share: of several parts.
  /// - Returns: what was read of those that can be.
  /// - Throws: what keeps the check from running.
  func read(_ share: ReadingShare) throws(CheckpointError) -> Reading {
    if let check = DifferenceContentsCheck(source, resources, progress) {
      return Reading(errors: try check.read(share))
    }
    let tensors = source.checkpoint.tensors
    let own = share.own(tensors.map(\.byteCount))
    progress.begin("reading", tensors[own].reduce(0) { $0 + $1.byteCount })
    return try read(own)
  }

  /// Reads some of the tensors.
  ///
  /// - Parameter places: among the stored tensors.
  /// - Returns: what was read of those that can be.
  /// - Throws: what keeps the check from running.
  func read(_ places: Range<Int>) throws(CheckpointError) -> Reading {
    var reading = Reading()
    reading.contents.identities.reserveCapacity(places.count)
    for run in EvaluationTask.runs(of: places.count) {
      let run = places.lowerBound + run.lowerBound..<places.lowerBound + run.upperBound
      try read(run, &reading.contents, &reading.errors, &reading.values)
    }
    return reading
  }

  /// Records the check when all tensors are read.
  ///
  /// - Parameters:
  ///   - reading: of all tensors, in their order.
  ///   - report: takes it.
  /// - Returns: what was read; nil if one couldn't be.
  /// - Throws: what keeps the check from running.
  func conclude(
    _ reading: Reading, _ report: inout VerificationReport
  ) throws(CheckpointError) -> Contents? {
    if let check = DifferenceContentsCheck(source, resources, progress) {
      check.conclude(baseFindings + reading.errors, &report)
      return nil
    }
    let tensors = source.checkpoint.tensors
    let (contents, errors, values) = (reading.contents, reading.errors, reading.values)
    // Tensors of the catalogue whose values are nowhere, or of which nothing tells whether they are the right ones.
    let known = source.checkpoint.findings.filter { Self.kinds.contains($0.check) }
    var findings = errors
    guard findings.isEmpty else {
      report.record(
        .contents, findings,
        "\(findings.count) of \(tensors.count) tensors can't be read as they were written")
      return nil
    }
    do throws(CheckpointError) {
      findings = try source.reader.contentFindings()
      try source.reader.confirmUnlisted()
    } catch {
      if error.code.isTransient { throw error }
      report.record(
        .contents, [Finding("contents-unreadable", error)], "not every tensor can be read")
      return nil
    }
    findings += values + known + (try baseRootFindings())
    let sidecars = try SidecarSoundness.findings(of: source.checkpoint)
    findings += sidecars
    report.tensorCount = contents.identities.count
    report.byteCount = source.checkpoint.byteCount
    report.root = rootDigest(of: contents.identities)
    let unread = source.checkpoint.findings.count { $0.check == "unreadable-tensor" }
    let isProven = !known.contains { $0.check == "base-unproven" }
    report.record(
      .contents, findings,
      "\(counted(contents.identities.count, "tensor")) read"
        + (unread == 0 ? "" : "; \(counted(unread, "other")) can't be, by what they are")
        + (isProven ? "" : "; nothing says of some whether they are the right base's")
        + (sidecars.isEmpty ? "" : "; some files beside them aren't what their names say"),
      unread == 0 && isProven ? nil : .unsupported)
    return contents
  }

  /// That the base that was given isn't as a whole the one that the store names, if so: the tensors that are needed are the same.
  private func baseRootFindings() throws(CheckpointError) -> [Finding] {
    guard let reader = source.reader as? DifferenceReader, let named = reader.store.manifest.base
    else { return [] }
    let found = try reader.baseRoot(resources, progress: progress)
    guard found != named.root else { return [] }
    return [
      Finding(
        .note, "base-root",
        "the base that was given has root \(found), and the store names '\(named.hint)', root \(named.root); all tensors that are needed are the same",
        file: StoreFormat.manifestName)
    ]
  }

  /// Reads some of the tensors, one after the other in the order of the source.
  private func read(
    _ run: Range<Int>, _ contents: inout Contents, _ errors: inout [Finding],
    _ values: inout [Finding]
  ) throws(CheckpointError) {
    let tensors = source.checkpoint.tensors[run]
    // Numbers of others aren't asked for.
    let statistics = StatisticsCollector(tensors.map { $0.dtype == .bool ? .u8 : .c64 })
    let looked = tensors.map { dtypes.dtype($0.name, $0.dtype) }
    let census = countsValues ? CensusCollector(looked) : nil
    let collector = DigestCollector(
      statistics: statistics, census: census, goesOnAfterErrors: true,
      progress: progress.add)
    try EvaluationPipeline(source.reader, resources).run(
      EvaluationTask.stored(in: source.reader.checkpoint, run), collector)
    errors += collector.errors.map { Finding("contents-unreadable", $0) }
    for (place, tensor) in tensors.enumerated() {
      guard let result = collector[place] else { continue }
      contents.identities.append(
        TensorIdentity(
          name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: result.digest))
      if let census { contents.census.append(census[place]) }
      guard tensor.dtype == .bool, statistics.statistics(of: place)?.maximum ?? 0 > 1 else {
        continue
      }
      values.append(
        Finding(
          .warning, "bool-value", "a BOOL that is neither 0 nor 1", file: tensor.file,
          tensor: tensor.name))
    }
  }
}
