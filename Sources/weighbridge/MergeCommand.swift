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

      What was stopped goes on when it is started again. Where the result is whole already and no \
      parts are left, this is said, and the exit code is that of a merge with the same options; --json \
      is the document of a conversion then, and --report asks for a file that is there.

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

  @Option(
    help: ArgumentHelp(
      "A report. Of a quantization: a file for a browser, .html. Of a verification: text, json, junit, sarif, github or gitlab, to standard output or with =PATH to a file; can be given several times.",
      valueName: "format[=path]"))
  var report: [MergeReportChoice] = []

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
    if pages.count > 1 || (!pages.isEmpty && !reports.report.isEmpty) {
      throw ValidationError(
        "A quantization has one report, in HTML; the other formats are of a verification.")
    }
    if let maxRmse, !maxRmse.isFinite || maxRmse < 0 {
      throw ValidationError("--max-rmse must be a number, and not negative.")
    }
  }

  /// Files for a browser.
  private var pages: [String] {
    report.compactMap { if case .page(let path) = $0 { path } else { nil } }
  }

  /// Reports of a verification.
  private var reports: ReportOptions {
    var options = ReportOptions()
    options.report = report.compactMap {
      if case .verification(let choice) = $0 { choice } else { nil }
    }
    return options
  }

  func run() throws {
    if VerificationMerge.isOne(destination) { return try mergeVerification() }
    guard reports.report.isEmpty else {
      throw CheckpointError(
        .usage, "these reports are of a verification, and these aren't its parts",
        file: destination,
        hint:
          "name the folder that was given with --parts; the report of a quantization is a file for a browser: --report FILE.html"
      )
    }
    let start = Date()
    let page = try pages.first.map { (path) throws(CheckpointError) in
      try ReportFile(path, besides: [destination], ReadFiles())
    }
    let progress = ProgressLine(quiet: quiet, verbose: false)
    let limits = QuantizationReport.Limits(maxRmse: maxRmse)
    let outcome = try PartsMerge(
      destination, isForced: force, wait: wait?.seconds ?? 0,
      resources, progress: progress.work
    ) { [quiet] in
      if !quiet { Console.error(ConversionText.replacing($0)) }
    }.run(needsQuantization: page != nil || maxRmse != nil) { (outcome) throws(CheckpointError) in
      guard let page else { return }
      guard let merged = MergedQuantization(outcome, destination, limits) else {
        return try requirePage()
      }
      try page.write(merged.page())
    }
    progress.finish()
    if let leftover = outcome.leftover {
      Console.error("warning: \(printable(leftover)) could not be removed; nothing in it is needed")
    }
    let seconds = Date().timeIntervalSince(start)
    if !quiet && outcome.wasWhole {
      Console.error("whole        already: nothing is left of parts to merge")
    }
    if !quiet, let count = outcome.partCount {
      Console.error(
        "merged       \(counted(count, "part")), in \(duration(seconds))")
    }
    let log = FindingLog(quiet: quiet)
    for finding in outcome.certificate.findings { log.report(finding) }
    log.finish("the certificate")
    if let merged = MergedQuantization(outcome, destination, limits) {
      if json {
        Console.output(document: try merged.document(seconds: seconds))
      } else {
        Console.output(merged.text)
      }
      if !merged.report.exceeded.isEmpty { throw ExitCode(1) }
      return
    }
    if json {
      Console.output(
        document: try JSONDocument.bytes(
          ConversionDocument(
            outcome.certificate, outcome.invocation?.source ?? destination, seconds: seconds)))
    } else {
      Console.output(ConversionText.closing(outcome.certificate, destination))
    }
    try judge(outcome.certificate)
  }

  /// Makes sure that an earlier merge has written the report.
  private func requirePage() throws(CheckpointError) {
    guard let path = pages.first, !fileExists(path) else { return }
    throw CheckpointError(
      .missing, "the report isn't there, and nothing is left of the parts that it is made of",
      file: path,
      hint:
        "leave --report out: the result is whole, and its certificate has the errors of all tensors"
    )
  }

  /// Says which tensor exceeds the limit, if one does, where nothing is left that a report could be made of.
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
    guard pages.isEmpty, maxRmse == nil else {
      throw CheckpointError(
        .usage,
        "--max-rmse and HTML are of a quantization, and these parts are of a verification",
        file: destination, hint: "leave them out; --report json=FILE writes a document")
    }
    try reports.check(outside: destination)
    let output = try ReportOutput(reports.requests(json: json), VerifyCommand.describe)
    let executable = ProcessArguments.executablePath
    let report = try VerificationMerge(
      destination, resources,
      catalogues: executable.map {
        CatalogueProcess(
          executable: $0, arguments: [CatalogueCommand.configuration.commandName ?? ""])
      }, datasets: executable.map { DatasetProcess(executable: $0) }
    ).run(wait: wait?.seconds ?? 0)
    try output.write(report, besides: ReadFiles())
    if report.verdict == .failed { throw ExitCode(1) }
  }

  private var resources: EvaluationResources {
    EvaluationResources(
      memory: 64_000_000, threads: Processors.allowedCount, checkCancellation: Signals.check)
  }
}

/// What `--report` takes: a file for a browser, or what `verify` takes.
enum MergeReportChoice: ExpressibleByArgument {
  case page(String)
  case verification(ReportChoice)

  static let allValueStrings = ReportChoice.allValueStrings
  static let defaultCompletionKind = CompletionKind.file(extensions: ["html"])

  init?(argument: String) {
    if let choice = ReportChoice(argument: argument) {
      self = .verification(choice)
    } else if argument.hasSuffix(".html") {
      self = .page(argument)
    } else {
      return nil
    }
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
