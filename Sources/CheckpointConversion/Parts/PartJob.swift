import CheckpointFormats
public import FileContainers
import Foundation
import TensorEvaluation
public import TensorModel

/// What came of a part.
public struct PartOutcome: Sendable {
  /// Which part.
  public let part: PartNumber
  /// Whether it was complete before.
  public let wasComplete: Bool
  /// Tensors that it consists of.
  public let tensorCount: Int
  /// Bytes of them.
  public let byteCount: Int
  /// Tensors that were taken over from an unfinished attempt.
  public let resumedTensorCount: Int
}

/// What a part is going to do.
public struct PartSummary: Sendable {
  /// Which part, and the variable that said so: `3/32 (SLURM_ARRAY_TASK_ID)`.
  public let text: String
  /// Files and pieces of files.
  public let fileCount: Int
  /// Whether some of them are pieces.
  public let hasPieces: Bool
  /// Tensors.
  public let tensorCount: Int
  /// Bytes of tensors.
  public let byteCount: Int
  /// What isn't divided: `tensors`, `files` or `volumes`.
  public let unit: String

  init(_ chosen: ChosenPart, _ share: PlanShare, _ division: PlanDivision) {
    text = chosen.text
    fileCount = share.pieces.count
    hasPieces = share.pieces.contains { $0.ranges != nil }
    tensorCount = share.plan.tensors.count
    byteCount = share.plan.groups.reduce(0) { $0 + $1.byteCount }
    unit = division.unit
  }
}

extension ConversionJob {
  /// Does a part of the conversion.
  ///
  /// - Parameters:
  ///   - choice: which part.
  ///   - variables: of the environment, for parts that a scheduler numbers.
  ///   - observer: is told how it goes; `willStart` isn't called for a part that is complete.
  ///   - willWork: is told what the part is going to do.
  /// - Returns: what came of it; a part that is complete is left as it is.
  /// - Throws: anything. After an interruption, a full disk or an I/O error the part can be gone on with.
  public func run(
    part choice: PartChoice, variables: [String: String], _ observer: Observer,
    willWork: @Sendable (PartSummary) -> Void
  ) throws(CheckpointError) -> PartOutcome {
    try refuseWholeSources()
    let destination = try destination()
    try OwnParts(destination.partialPath).require()
    let chosen = try chosen(choice, variables, destination)
    let part = chosen.part
    let (source, plan) = try dividedPlan()
    try confirm(destination)
    let digest = try PlanDocument.digest(plan, source)
    let division = PlanDivision(plan, partCount: part.count)
    let share = division.share(of: part)
    let own = PartsDescription(
      digest, partCount: part.count, byteCounts: division.byteCounts(part.count),
      hashesInputs: request.hashesInputs, source)
    if let merging = try PartsFolder.merging(in: destination.partialPath) {
      // It is taken apart; nothing is missing there.
      if let found = try merging.description() { try own.require(found, in: merging.path) }
      return outcome(part, share, wasComplete: true)
    }
    let folder = PartsFolder(in: destination.partialPath)
    let partCount = partCount
    let claim = { () throws(CheckpointError) in
      try folder.claim(own) { () throws(CheckpointError) in
        try RecordedPlan.text(
          plan, digest, source, request.resources, replacesSets: partCount != nil,
          request.invocation)
      }
    }
    try claim()
    if let start = chosen.arrayStart { try folder.noteArray(from: start) }
    willWork(PartSummary(chosen, share, division))
    if try folder.record(of: part) != nil { return outcome(part, share, wasComplete: true) }
    observer.willStart(source, share.plan, nil)
    let attempt = try PartAttempt(folder, part, resuming: request.resume)
    do throws(CheckpointError) {
      let run = PartRun(
        whole: plan, share: share, planDigest: digest, source: source, attempt: attempt,
        resources: AttemptWatch(attempt).resources(request.resources),
        hashesInputs: request.hashesInputs, report: observer.report, progress: observer.progress)
      try run.checkSpace()
      let resumed = try run.run()
      // Somebody may have removed all of it meanwhile, or begun other work.
      try claim()
      try attempt.finish()
      return outcome(part, share, wasComplete: false, resumed: resumed)
    } catch {
      if !attempt.isOwn {
        if folder.isComplete(part) { return outcome(part, share, wasComplete: true) }
        throw attempt.takenOver
      }
      throw afterwards(error, attempt)
    }
  }

  /// What a part of a plan would do.
  ///
  /// - Parameters:
  ///   - choice: which part.
  ///   - variables: of the environment, for parts that a scheduler numbers.
  ///   - plan: of the whole.
  /// - Returns: the summary.
  /// - Throws: `usage` where nothing tells which part it is, and for what isn't done in parts.
  public func summary(
    of choice: PartChoice, variables: [String: String], in plan: ConversionPlan
  ) throws(CheckpointError) -> PartSummary {
    try refuseWholeSources()
    let chosen = try chosen(choice, variables, try destination())
    let division = PlanDivision(plan, partCount: chosen.part.count)
    return PartSummary(chosen, division.share(of: chosen.part), division)
  }

  private func chosen(
    _ choice: PartChoice, _ variables: [String: String], _ destination: AtomicDestination
  ) throws(CheckpointError) -> ChosenPart {
    let existing = try PartsFolder.found(in: destination.partialPath)
    let known = try existing?.description().map {
      (count: $0.partCount, arrayStart: existing?.firstArrayNumber)
    }
    return try SchedulerEnvironment(variables, known: known).part(choice)
  }

  /// The source, and what is to be written of it: a plan that headers are enough for.
  ///
  /// - Throws: `usage` for a difference to a base; what opening and planning throw.
  private func dividedPlan() throws(CheckpointError) -> (Source, ConversionPlan) {
    let source = RestoredTokenizer.added(to: try Source(request.source, request.openOptions))
    // Before it is planned: that reads all of the base.
    guard try differing(source).target == nil else {
      throw CheckpointError(
        .usage,
        "a difference isn't made in parts: which tensors are the same, and so what a volume holds, is known when fork and base are read, and every part would read all of them",
        hint: "write the difference in one run, without --part",
        hintLines: ["or write all of the fork in parts, without --base"])
    }
    return (source, try plan(source))
  }

  private func outcome(
    _ part: PartNumber, _ share: PlanShare, wasComplete: Bool, resumed: Int = 0
  ) -> PartOutcome {
    PartOutcome(
      part: part, wasComplete: wasComplete, tensorCount: share.plan.tensors.count,
      byteCount: share.plan.groups.reduce(0) { $0 + $1.byteCount }, resumedTensorCount: resumed)
  }

  /// Refuses what every part would have to read as a whole, and what needs all parts.
  private func refuseWholeSources() throws(CheckpointError) {
    guard request.validator == nil else {
      throw CheckpointError(
        .usage, "--validate runs the whole result, which no part has",
        hint:
          "leave it out, and compare after the merge: \(shellCommand("weighbridge compare --forward", request.source, request.destination))"
      )
    }
    try WholeArchive.refuse(request.source)
  }

  /// Keeps or removes what a failed attempt has left.
  private func afterwards(
    _ error: CheckpointError, _ attempt: PartAttempt
  ) -> CheckpointError {
    if Journal.isVoid(at: attempt.journalPath) {
      attempt.discard()
      attempt.folder.noteChange()
      attempt.folder.removeIfUnused()
      guard let change = attempt.folder.change else { return error }
      var told = error
      told.hintLines.append("\(change.message); \(change.hint ?? "")")
      return told
    }
    guard error.code.isTransient || attempt.isTakenOver else {
      attempt.discard()
      attempt.folder.removeIfUnused()
      return error
    }
    var kept = error
    let advice =
      "what part \(attempt.part) has done is kept: repeat the command with --resume"
    if kept.hint == nil { kept.hint = advice } else { kept.hintLines.append(advice) }
    return kept
  }

  /// Refuses a conversion without parts where parts of one are.
  ///
  /// - Parameter destination: of this one.
  /// - Throws: `conflict`, naming both plans; what planning throws.
  func refuseParts(at destination: AtomicDestination) throws(CheckpointError) {
    guard let folder = try PartsFolder.found(in: destination.partialPath) else { return }
    guard let found = try folder.description() else {
      throw CheckpointError(
        .conflict, "parts of another conversion are there", file: folder.path,
        hint:
          "remove them, which --force doesn't: \(shellCommand("rm -r", destination.partialPath))")
    }
    let source = RestoredTokenizer.added(to: try Source(request.source, request.openOptions))
    let digest = try PlanDocument.digest(try plan(source), source)
    throw PartsDescription.conflict(
      folder.path, expected: "plan \(digest) without --part", found: found)
  }
}

extension ConversionJob {
  /// The numbers of the parts that are still to be done, after making sure that they could be.
  ///
  /// - Parameter count: how many parts there are to be.
  /// - Returns: the numbers, ascending, and the digest of the plan.
  /// - Throws: what planning throws; `conflict` if parts of other work are there, `corrupt` if one is damaged, `noSpace`.
  public func missingParts(
    of count: Int
  ) throws(CheckpointError) -> (numbers: [Int], plan: Digest) {
    try refuseWholeSources()
    let destination = try destination()
    let (source, plan) = try dividedPlan()
    try confirm(destination)
    let digest = try PlanDocument.digest(plan, source)
    guard let folder = try PartsFolder.found(in: destination.partialPath),
      let found = try folder.description()
    else {
      let converter = try Converter(
        plan, source, destination, Converter.Options(resources: request.resources))
      try converter.checkSpace()
      return (Array(1...count), digest)
    }
    let own = PartsDescription(
      digest, partCount: count, byteCounts: found.byteCounts,
      hashesInputs: request.hashesInputs, source)
    try own.require(found, in: folder.path)
    let states = try PartStates(folder, found)
    if let error = states.damages.first { throw error }
    return (states.missing, digest)
  }
}
