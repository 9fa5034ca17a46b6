import CheckpointFormats
import FileContainers
import Foundation
import Synchronization
import TensorEvaluation
import TensorModel

/// Does a part: writes its files and pieces into an attempt's folder, says what it has done, and gives the attempt its name.
struct PartRun {
  let whole: ConversionPlan
  let share: PlanShare
  let planDigest: Digest
  let source: Source
  let attempt: PartAttempt
  let resources: EvaluationResources
  let hashesInputs: Bool
  let report: @Sendable (Finding) -> Void
  let progress: @Sendable (Int) -> Void

  /// Whether files that no tensors are in are this part's, too.
  private var isFirst: Bool { attempt.part.number == 1 }

  /// Compares what the part needs with what the disk has.
  ///
  /// - Throws: `noSpace`.
  func checkSpace() throws(CheckpointError) {
    guard share.plan.knowsSizes else { return }
    let files = share.plan.weightFiles
    let existing = files.filter { fileExists("\(attempt.filesPath)/\($0.name)") }
    let needed =
      files.reduce(0) { $0 + $1.byteCount } - existing.reduce(0) { $0 + $1.byteCount }
      + (isFirst ? whole.sidecars.reduce(0) { $0 + $1.byteCount } : 0)
    guard let free = freeByteCount(at: attempt.path), free < needed else { return }
    throw CheckpointError(
      .noSpace, "not enough space on the destination's disk for part \(attempt.part)",
      file: attempt.path, expected: "\(needed) bytes free", found: "\(free)",
      hint: "free some space, then repeat the command with --resume")
  }

  /// Does all of it.
  ///
  /// - Returns: how many tensors were taken over from an unfinished attempt.
  /// - Throws: what writing throws; `conflict` if another process has taken the attempt over.
  func run() throws(CheckpointError) -> Int {
    let (journal, claims) = try journal()
    do throws(CheckpointError) { return try run(journal, claims) } catch {
      // Whatever ended it: what was made of an input that has changed doesn't count.
      do throws(CheckpointError) { try source.confirm() } catch { try journal.recordChange() }
      throw error
    }
  }

  /// A journal of this process's own, with what that of an earlier one claims: two processes never write into one.
  private func journal() throws(CheckpointError) -> (Journal, Journal.Claims) {
    let names = share.plan.weightFiles.map(\.name)
    var claims = Journal.Claims()
    if attempt.isTakenOver, Directories.hasContents(attempt.journalPath) {
      let earlier = try ifUsable { () throws(CheckpointError) in
        try Journal.resume(
          at: attempt.journalPath, plan: planDigest, files: names, inputs: source.inputs)
      }
      claims = earlier?.claims ?? claims
      if let input = claims.replacedInput { report(Journal.replacement(of: input)) }
    }
    let temporary = "\(attempt.path)/.journal.\(SharedFolder.uniqueName())"
    let journal = try Journal.create(
      at: temporary, plan: planDigest, files: names, inputs: source.inputs)
    for claim in claims.groups { try journal.record(claim) }
    for claim in claims.volumes { try journal.record(claim) }
    try Directories.replace(attempt.journalPath, by: temporary)
    return (journal, claims)
  }

  private func run(
    _ journal: Journal, _ claims: Journal.Claims
  ) throws(CheckpointError) -> Int {
    let plan = share.plan
    try OutputFile.replace(
      "\(attempt.path)/\(ShareSizes.fileName)",
      contents: RecordedPlan.json(ShareSizes(plan)))
    let findings = isFirst ? try source.reader.contentFindings() : []
    for finding in findings { report(finding) }
    let results = GroupResults(count: plan.groups.count)
    let run = ConversionRun(
      plan: plan, source: source, folder: attempt.filesPath, resources: resources,
      journal: journal, results: results, census: plan.census(of: source), progress: progress)
    let isStore = plan.format == StoreFormat.name
    var writer: any WeightWriter = isStore ? StoreWriter(run) : FixedLayoutWriter(run)
    let resumedTensorCount = try writer.begin(claims)
    try writer.write()
    // What a store has beside its volumes is of all parts.
    if !isStore { _ = try writer.finish() }
    PageArena.shared.releaseIdle()
    if isFirst { try writeSidecars() }
    let inputs = try inputDigests()
    try source.confirm()
    try write(results, writer.volumes, findings, inputs)
    return resumedTensorCount
  }

  private func writeSidecars() throws(CheckpointError) {
    for sidecar in whole.sidecars {
      let path = "\(attempt.filesPath)/\(sidecar.name)"
      try Directories.removeTree(path)
      try Directories.createParents(of: sidecar.name, in: attempt.filesPath)
      try sidecar.write(to: path, resources)
    }
  }

  /// Digests of the inputs that it is this part's share to hash.
  private func inputDigests() throws(CheckpointError) -> [PartRecord.Input] {
    guard hashesInputs else { return [] }
    let runs = EvenRuns(source.inputs.map { $0.byteCount ?? 0 }).runs(attempt.part.count)
    var digests: [PartRecord.Input] = []
    for input in source.inputs[runs[attempt.part.number - 1]] {
      guard let digest = try source.digest(of: input) else { continue }
      digests.append(.init(name: input.name, digest: digest))
      try resources.checkCancellation()
    }
    return digests
  }

  private func write(
    _ results: GroupResults, _ volumes: [VolumeClaim], _ findings: [Finding],
    _ inputs: [PartRecord.Input]
  ) throws(CheckpointError) {
    var claims: [Journal.Claim] = []
    for (place, group) in share.groups.enumerated() {
      guard let claim = results[place] else {
        throw CheckpointError(
          .inputOutput, "was not written", tensor: share.plan.groups[place].name)
      }
      claims.append(claim.at(group))
    }
    var files: [PartRecord.File] = []
    for (piece, file) in zip(share.pieces, share.plan.weightFiles) {
      files.append(
        PartRecord.File(
          name: piece.name,
          byteCount: try InputFile(path: "\(attempt.filesPath)/\(piece.name)").byteCount,
          file: piece.file,
          ranges: piece.ranges?.map { [$0.lowerBound, $0.upperBound] }))
      guard file.layout == nil || files.last?.byteCount == file.byteCount else {
        throw CheckpointError(
          .inputOutput, "has become shorter or longer while it was written", file: piece.name,
          expected: "\(file.byteCount) bytes", found: "\(files.last?.byteCount ?? 0)")
      }
    }
    let sidecars = isFirst ? whole.sidecars.map(\.name) : []
    let head = PartRecord.Head(
      plan: planDigest, part: attempt.part.number, partCount: attempt.part.count, files: files,
      sidecars: sidecars, findings: findings, inputs: inputs)
    try Directories.synchroniseParents(of: files.map(\.name) + sidecars, in: attempt.filesPath)
    try OutputFile.replace(
      "\(attempt.path)/\(PartRecord.fileName)",
      contents: PartRecord.text(
        head, claims, volumes.map { VolumeClaim(volume: share.pieces[$0.volume].file, $0.finished) }
      ))
  }
}

/// share.json: the sizes of what an attempt is to write, for those who look how far it is.
struct ShareSizes: Codable {
  static let fileName = "share.json"

  /// Bytes of each group.
  let groups: [Int]

  init(_ plan: ConversionPlan) { groups = plan.groups.map(\.byteCount) }
}

/// Looks from time to time whether an attempt is still this process's.
final class AttemptWatch: Sendable {
  private let attempt: PartAttempt
  private let last = Mutex(ContinuousClock.now)

  init(_ attempt: PartAttempt) { self.attempt = attempt }

  /// The same resources, with which work ends soon after another process has taken it over.
  func resources(_ resources: EvaluationResources) -> EvaluationResources {
    let check = resources.checkCancellation
    var watching = EvaluationResources(memory: resources.memory, threads: resources.threads) {
      () throws(CheckpointError) in
      try check()
      try self.look()
    }
    watching.checksRecordedDigests = resources.checksRecordedDigests
    return watching
  }

  private func look() throws(CheckpointError) {
    let isDue = last.withLock { last in
      let now = ContinuousClock.now
      guard now - last >= .seconds(1) else { return false }
      last = now
      return true
    }
    if isDue && !attempt.isOwn { throw attempt.takenOver }
  }
}
