import CheckpointConversion
import FileContainers
import Foundation
import TensorModel

/// All parts of a conversion as an array of Slurm's, and a job that merges them.
struct SlurmSubmission {
  private let submit: SubmitArgument
  private let sbatch: SbatchOptions?
  private let destination: String
  private let shared: SharedOptions
  private let options: DestinationOptions
  /// Options that the merge is given.
  private let merging: [String]

  /// - Throws: `usage` for options that can't be heeded, and paths that Slurm can't write to.
  init(
    _ submit: SubmitArgument, _ sbatch: String?, destination: String, _ shared: SharedOptions,
    _ options: DestinationOptions, forMerge merging: [String]
  ) throws(CheckpointError) {
    self.submit = submit
    self.sbatch = try sbatch.map { (text) throws(CheckpointError) in
      try SbatchOptions(text, shared)
    }
    self.destination = destination
    self.shared = shared
    self.options = options
    self.merging = merging
    guard !destination.contains(where: { $0.isNewline || $0 == "\\" }) else {
      throw CheckpointError(
        .usage, "sbatch can't write beside a path with a line break or a backslash",
        file: destination, hint: "choose another destination, or submit --part yourself")
    }
    guard !(shared.json && options.dryRun) else {
      throw CheckpointError(
        .usage, "--dry-run prints the scripts, which are no JSON", hint: "leave out --json")
    }
  }

  /// Plans, checks, and submits what is missing and isn't in the queue, or prints it.
  ///
  /// - Throws: what planning throws; `conflict` where jobs of another submission are in the queue; `missing`, `inputOutput` where Slurm refuses.
  func run(_ job: ConversionJob) throws(CheckpointError) {
    let work = try job.missingParts(of: submit.count)
    let place = self.place
    let name = "\(place)\(work.plan.hexadecimal.prefix(8)).\(submit.count)"
    let jobs = try SlurmQueue.jobs(named: place)
    if let other = jobs.first(where: { $0.name != name && $0.name != "\(name).merge" }) {
      throw CheckpointError(
        .conflict, "jobs of another submission for this destination are in the queue",
        file: destination, expected: name, found: "\(other.name) (job \(other.jobID))",
        hint:
          "wait for them, or cancel them: scancel \(Set(jobs.map(\.jobID)).sorted().joined(separator: " "))"
      )
    }
    let missing = Set(work.numbers)
    let active = jobs.filter { $0.task.map(missing.contains) ?? false }
    let queued = Set(active.compactMap(\.task))
    let scripts = SlurmScripts(
      submit: submit, sbatch: sbatch, destination: destination, shared: shared,
      isForced: options.force, merging: merging, name: name)
    let numbers = work.numbers.filter { !queued.contains($0) }
    // Of several the newest: the others waited for parts that have failed.
    let merges = jobs.filter { $0.name == "\(name).merge" }.map(\.id)
    let merge = numbers.isEmpty ? merges.max { (Int($0) ?? 0) < (Int($1) ?? 0) } : nil
    let array = numbers.isEmpty ? nil : scripts.array(numbers)
    if options.dryRun {
      let waiting = (array == nil ? [] : ["$ARRAY"]) + active.map(\.id)
      let printed = [array, merge == nil ? scripts.merge(after: waiting) : nil].compactMap { $0 }
      guard !printed.isEmpty else {
        return Console.error("all that is missing is in the queue: nothing to submit")
      }
      return Console.output(printed.joined(separator: "\n"))
    }
    let arrayID = try array.map(SlurmQueue.submit)
    let awaited = (arrayID.map { [$0] } ?? []) + active.map(\.id)
    var mergeID = merge ?? ""
    if merge == nil { mergeID = try submitted(scripts.merge(after: awaited), after: arrayID) }
    let document = SubmissionDocument(
      partCount: submit.count, submitted: NumberRanges.text(numbers),
      queued: NumberRanges.text(queued.sorted()), arrayJob: arrayID, mergeJob: mergeID)
    if shared.json { return Console.output(document: try JSONDocument.bytes(document)) }
    Console.output(
      text(
        document, numbers.count, queued.count, isNewMerge: merge == nil,
        jobs: (([arrayID] + active.map(\.jobID) + [mergeID]).compactMap { $0 }), scripts))
  }

  /// What the names of all jobs for this destination begin with.
  private var place: String {
    let name = Directories.split(destination).name
    let plain = name.prefix(40).map {
      $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) ? $0 : "_"
    }
    let digest = Digest(of: Array(Directories.resolved(destination).utf8))
    return "weighbridge-\(String(plain)).\(digest.hexadecimal.prefix(8))."
  }

  /// Submits the merge; where that fails, says what became of the array.
  private func submitted(
    _ script: String, after array: String?
  ) throws(CheckpointError) -> String {
    do throws(CheckpointError) { return try SlurmQueue.submit(script) } catch {
      var error = error
      if let array {
        error.hintLines.append(
          "the parts are submitted as array \(array): repeat the command, which submits the merge alone, or cancel them: scancel \(array)"
        )
      }
      throw error
    }
  }

  private func text(
    _ document: SubmissionDocument, _ submittedCount: Int, _ queuedCount: Int, isNewMerge: Bool,
    jobs: [String], _ scripts: SlurmScripts
  ) -> String {
    var first: [String] = []
    if let array = document.arrayJob {
      first.append("array \(array): \(counted(submittedCount, "part")) of \(submit.count)")
    }
    if queuedCount > 0 {
      first.append(
        "\(counted(queuedCount, "part")) in the queue already: \(document.queued)")
    }
    if first.isEmpty { first.append("all parts are complete already") }
    first.append(
      "merge \(document.mergeJob) \(isNewMerge ? "follows when all have ended well" : "is in the queue already")"
    )
    var shown: [String] = []
    for job in jobs where !shown.contains(job) { shown.append(job) }
    let logs = shown.map {
      printable(scripts.logName($0 == document.mergeJob ? $0 : "\($0)_*"))
    }
    return """
      \(first.joined(separator: "; "))
      look at them with: squeue --job \(shown.joined(separator: ","))
      and at the parts:  \(shellCommand("weighbridge status", destination))
      what they say:     \(logs.joined(separator: ", "))
      if some fail, repeat this command: it submits only what is missing
      """
  }
}

/// `--submit --json`: what was submitted.
struct SubmissionDocument: Encodable {
  let schema = "submission/v1"
  let tool = Certificate.Tool.current
  /// How many parts there are.
  let partCount: Int
  /// The parts that were submitted now, as Slurm writes numbers: `2-3,7`.
  let submitted: String
  /// The parts that waited or ran already.
  let queued: String
  /// The job of the parts that were submitted; nil where none were.
  let arrayJob: String?
  /// The job that merges, whoever has submitted it.
  let mergeJob: String

  private enum CodingKeys: String, CodingKey {
    case schema, tool, partCount, submitted, queued, arrayJob, mergeJob
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(schema, forKey: .schema)
    try container.encode(tool, forKey: .tool)
    try container.encode(partCount, forKey: .partCount)
    try container.encode(submitted, forKey: .submitted)
    try container.encode(queued, forKey: .queued)
    // Null where there is none.
    try container.encode(arrayJob, forKey: .arrayJob)
    try container.encode(mergeJob, forKey: .mergeJob)
  }
}
