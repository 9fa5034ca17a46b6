import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import HDF5Files
import Quantization
import TensorModel

/// `weighbridge verify`.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check a checkpoint: structure, configuration, every byte, its certificate.",
    discussion: """
      Everything is checked and every finding reported. With --against, what OTHER gives in \
      CHECKPOINT's names and dtypes must be what CHECKPOINT holds, bit for bit; OTHER can be of \
      another format, such as the archive that CHECKPOINT was converted from. With --replay the \
      conversion is made again as the certificate states it: what was changed together with its \
      certificate is found.

      Reports for pipelines are written when the check fails or can't run, too. github also \
      appends to the summary of the step (GITHUB_STEP_SUMMARY).

      Exit code 0: nothing wrong; 1: findings; 2: the check could not run. What was skipped is \
      said, with the reason: the last line says "not complete" where that matters. A part exits with \
      0 when it has read its share, whatever it found: weighbridge merge judges.

      Examples:
        weighbridge verify gpt-j-6b
        weighbridge verify gpt-j-6b --against step_383500_slim.tar.zstd --json
        weighbridge verify gpt-j-6b.Q4_K_M.gguf --replay gpt-j-6b
        weighbridge verify gpt-j-6b --report junit=verify.xml --report github
      """)

  @Argument(help: "The checkpoint to verify.", completion: .file())
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      "A checkpoint that must give the same tensors, or a manifest of an earlier state.",
      valueName: "other"), completion: .file())
  var against: String?

  @Option(
    help: ArgumentHelp(
      "The source that CHECKPOINT was made of: the conversion that its certificate states is made again, and every tensor and file compared.",
      valueName: "source"), completion: .file())
  var replay: String?

  @Option(
    help: ArgumentHelp(
      "Do part I of N, such as 3/32: read that share of the tensors and files, and say in the folder of --parts what came of it; weighbridge merge makes the report. auto and auto/N as for convert.",
      valueName: "i/n"), transform: PartArgument.init(parsing:))
  var part: PartArgument?

  @Option(
    help: ArgumentHelp("With --part: the folder for what parts find out.", valueName: "dir"),
    completion: .directory)
  var parts: String?

  @OptionGroup var derivation: DerivationOptions

  @OptionGroup var selection: SelectionOptions

  @OptionGroup(title: "Signatures") var signature: SignatureOptions

  @OptionGroup var reports: ReportOptions

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    try derivation.check(isUsed: against != nil || replay != nil, by: "--against or --replay")
    if derivation.assets != nil && replay == nil {
      throw ValidationError("--assets needs --replay.")
    }
    if [checkpoint, against, replay].count(where: { $0 == "-" }) > 1 {
      throw ValidationError("Only one of the checkpoints can be standard input (-).")
    }
    try selection.check(requiring: required)
    try reports.check(json: shared.json)
    try checkParts()
  }

  /// Refuses what a part can't do: it reads tensors, and the merge does the rest.
  private func checkParts() throws {
    guard part != nil else {
      if parts != nil { throw ValidationError("--parts needs --part.") }
      return
    }
    guard parts != nil else {
      throw ValidationError("--part needs --parts DIR, a folder for what all parts find out.")
    }
    for (name, isGiven) in [("--report", !reports.report.isEmpty), ("--json", shared.json)]
    where isGiven {
      throw ValidationError("\(name) is for the whole report: give it to weighbridge merge.")
    }
  }

  /// What must pass because other options ask for it.
  private var required: Set<VerificationReport.Name> {
    var names: Set<VerificationReport.Name> = []
    if against != nil { names.insert(.against) }
    if replay != nil { names.insert(.derivation) }
    if signature.isAsked { names.insert(.signature) }
    return names
  }

  func run() throws {
    let selection = try selection.selection(required)
    if let part, let parts { return try verifyPart(part.choice, selection, parts) }
    try reports.check(outside: checkpoint)
    let output = try ReportOutput(reports.requests(json: shared.json), Self.describe)
    var inputs = ReadFiles()
    let report: VerificationReport
    do throws(CheckpointError) { report = try verified(selection, &inputs) } catch {
      do throws(CheckpointError) {
        try output.write(VerificationReport(path: checkpoint, error), besides: inputs)
      } catch let other {
        Console.error("error: \(other)")
      }
      throw error
    }
    try output.write(report, besides: inputs)
    if report.verdict == .failed { throw ExitCode(1) }
  }

  /// Reads a share of the tensors.
  private func verifyPart(
    _ choice: PartChoice, _ selection: CheckSelection, _ folder: String
  ) throws {
    let progress = shared.progress
    let (part, text) = try choice.part(
      ProcessInfo.processInfo.environment, knownCount: try VerificationPart.partCount(in: folder))
    let options = try shared.openOptions(against ?? replay ?? checkpoint, progress)
    let outcome = try VerificationPart(
      request(selection, options), options, shared.resources, progress: progress.work
    ).run(part, in: folder)
    progress.finish()
    // Whatever was found, the part is done: a scheduler is to go on to the merge, which judges it.
    let log = FindingLog(quiet: false)
    outcome.findings.forEach(log.report)
    log.finish("the merge's report")
    let found =
      outcome.findings.isEmpty ? "" : ", \(counted(outcome.findings.count, "finding"))"
    Console.output(
      "part \(text): \(outcome.wasComplete ? "complete already" : "\(counted(outcome.tensorCount, "tensor")) read")\(found); when all parts are complete: \(shellCommand("weighbridge merge", folder))"
    )
  }

  /// What is asked for.
  private func request(_ selection: CheckSelection, _ options: OpenOptions) -> VerificationRequest {
    var request = VerificationRequest(checkpoint, selection)
    request.against = against.map { NamedPlace($0) }
    request.replay = replay.map { NamedPlace($0) }
    request.importance = derivation.imatrix.map { NamedPlace($0) }
    request.moments = derivation.hessian.map { NamedPlace($0) }
    request.assets = derivation.assets.map { NamedPlace($0) }
    request.bases = shared.base.map { NamedPlace($0) }
    request.configuration = options.configuration
    request.configurationName = options.configurationName
    request.signature = signature.request
    return request
  }

  /// What is known of a kind of findings.
  static let describe: FindingDescription = { id in
    FindingKinds[id].map { ($0.title, $0.help) }
  }

  /// Runs the checks; says in any case what was read for them.
  private func verified(
    _ selection: CheckSelection, _ inputs: inout ReadFiles
  ) throws(CheckpointError) -> VerificationReport {
    let progress = shared.progress
    let options = try shared.openOptions(against ?? replay ?? checkpoint, progress)
    inputs = options.readFiles
    var others = try VerificationInputs(request(selection, options), options)
    others.openOptions.progress = progress.unpacking(checkpoint)
    let catalogues = ProcessArguments.executablePath.map {
      CatalogueProcess(
        executable: $0, arguments: [CatalogueCommand.configuration.commandName ?? ""])
    }
    let report = try others.verified(
      shared.resources, catalogues: catalogues, progress: progress.work)
    progress.finish()
    return report
  }
}

/// `weighbridge hdf5-catalogue`: what `verify` starts to have libhdf5 look at a volume in a process of its own, with limits.
struct CatalogueCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hdf5-catalogue", abstract: "List what libhdf5 sees in a volume.",
    shouldDisplay: false)

  @Argument var file: String

  func run() throws {
    try HDF5Catalogue.limitProcess()
    let catalogue = try JSONEncoder().encode(try HDF5Catalogue(path: file))
    Console.output(document: printableJSON([UInt8](catalogue)))
  }
}
