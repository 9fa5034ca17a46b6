import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel

/// `weighbridge merge`.
struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Make the result of all parts of a conversion, or the report of a verification.",
    discussion: """
      The result is that of a single run, byte for byte, with its certificate. No source is needed. \
      Whole files are renamed; where parts are pieces of one file, they are copied into it one by \
      one. Where parts are missing, nothing is made and they are named. For verify, DESTINATION is \
      the folder that was given with --parts.

      Exit code 1: the result is there, but exceeds --max-rmse; 2: it could not be made.

      Examples:
        weighbridge merge gpt-j-6b
        weighbridge merge gpt-j-6b.gguf --wait 90s
      """)

  @Argument(help: "The destination of the parts.", completion: .file())
  var destination: String

  @Flag(help: "Replace an existing destination.")
  var force = false

  @Option(
    help: ArgumentHelp(
      "How long to look again for parts that a shared file system may still hide, such as 90s or 5m.",
      valueName: "time"))
  var wait: WaitArgument?

  @OptionGroup(title: "Of a verification") var reports: ReportOptions

  @Option(
    help: ArgumentHelp(
      "Of a quantization: the largest relative error of any tensor, ‖x - y‖ / ‖x‖, that makes the exit code 0.",
      valueName: "x"))
  var maxRmse: Double?

  @Flag(help: "Print one JSON document to standard output.")
  var json = false

  @Flag(
    name: .shortAndLong,
    help: "No progress and no remarks on standard error, only warnings and errors.")
  var quiet = false

  @OptionGroup var colors: ColorOption

  func validate() throws {
    try reports.check(json: json)
    if let maxRmse, !maxRmse.isFinite || maxRmse < 0 {
      throw ValidationError("--max-rmse must be a number, and not negative.")
    }
  }

  func run() throws {
    if VerificationMerge.isOne(destination) { return try mergeVerification() }
    guard reports.report.isEmpty else {
      throw CheckpointError(
        .usage, "--report is of a verification, and these aren't its parts", file: destination,
        hint: "name the folder that was given with --parts, or leave --report out")
    }
    let start = Date()
    let progress = ProgressLine(quiet: quiet, verbose: false)
    let outcome = try PartsMerge(
      destination, isForced: force, wait: wait?.seconds ?? 0,
      resources, progress: progress.work
    ).run()
    progress.finish()
    if let leftover = outcome.leftover {
      Console.error("warning: \(printable(leftover)) could not be removed; nothing in it is needed")
    }
    let seconds = Date().timeIntervalSince(start)
    if !quiet, let count = outcome.partCount {
      Console.error(
        "merged       \(counted(count, "part")), in \(duration(seconds))")
    }
    if json {
      Console.output(
        document: try JSONDocument.bytes(
          ConversionDocument(outcome.certificate, destination, seconds: seconds)))
    } else {
      Console.output(ConversionText.closing(outcome.certificate, destination))
    }
    try judge(outcome.certificate)
  }

  /// Says which tensor exceeds the limit, if one does.
  private func judge(_ certificate: Certificate) throws {
    let worst = certificate.tensors.max {
      $0.quantization?.relativeRmse ?? 0 < $1.quantization?.relativeRmse ?? 0
    }
    guard let maxRmse, let worst, let error = worst.quantization?.relativeRmse, error > maxRmse
    else { return }
    Console.error(
      "error: tensor '\(printable(worst.name))' has a relative error of \(error), more than --max-rmse \(maxRmse)"
    )
    throw ExitCode(1)
  }

  /// Writes the report of all parts of a verification.
  private func mergeVerification() throws {
    try reports.check(outside: destination)
    let output = try ReportOutput(reports.requests(json: json), VerifyCommand.describe)
    let executable = ProcessArguments.executablePath
    let report = try VerificationMerge(
      destination, resources,
      catalogues: executable.map {
        CatalogueProcess(
          executable: $0, arguments: [CatalogueCommand.configuration.commandName ?? ""])
      }, datasets: executable.map { DatasetProcess(executable: $0) }
    ).run()
    try output.write(report, besides: ReadFiles())
    if report.verdict == .failed { throw ExitCode(1) }
  }

  private var resources: EvaluationResources {
    EvaluationResources(
      memory: 64_000_000, threads: Processors.allowedCount, checkCancellation: Signals.check)
  }
}

/// What `--wait` takes: `90s`, `5m`, `1h`, or seconds.
struct WaitArgument: ExpressibleByArgument {
  let seconds: Double

  init?(argument: String) {
    guard let match = argument.wholeMatch(of: /([0-9]{1,6})([smh]?)/), let number = Double(match.1)
    else { return nil }
    seconds = number * (match.2 == "h" ? 3600 : match.2 == "m" ? 60 : 1)
  }
}
