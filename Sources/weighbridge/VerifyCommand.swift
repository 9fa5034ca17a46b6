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
      another format, such as the archive that CHECKPOINT was converted from.

      Exit code 0: nothing wrong; 1: findings; 2: the check could not run. What was skipped is \
      said, with the reason: the last line says "not complete" where that matters.

      Examples:
        weighbridge verify gpt-j-6b
        weighbridge verify gpt-j-6b --against step_383500_slim.tar.zstd --json
      """)

  @Argument(help: "The checkpoint to verify.")
  var checkpoint: String

  @Option(
    help: ArgumentHelp("A checkpoint that must give the same tensors.", valueName: "other"))
  var against: String?

  @Option(
    help: ArgumentHelp(
      "For --against: the importance matrix that CHECKPOINT was quantized with.", valueName: "file")
  )
  var imatrix: String?

  @OptionGroup var selection: SelectionOptions

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if imatrix != nil && against == nil { throw ValidationError("--imatrix needs --against.") }
    try selection.check(requiring: against == nil ? [] : [.against])
  }

  func run() throws {
    let reading = ProgressLine("verifying", total: 0, quiet: shared.quiet)
    let options = try shared.openOptions()
    var other: Source?
    if let against { other = try Source(against, options) }
    // With --against, the configuration is for the other one as a rule.
    var ownOptions = options
    ownOptions.replacesConfiguration = against == nil
    let catalogues = Bundle.main.executablePath.map {
      CatalogueProcess(
        executable: $0, arguments: [CatalogueCommand.configuration.commandName ?? ""])
    }
    let report = try Verifier(
      checkpoint, ownOptions, shared.resources, catalogues: catalogues, progress: reading.add
    ).run(
      against: other, importance: try imatrix.map { try ImportanceMatrix(path: $0) },
      selection.checks(requiring: other == nil ? [] : [.against]))
    reading.finish()
    if shared.json {
      Console.output(document: try JSONDocument.bytes(report))
    } else {
      Console.output { print(report, line: $0) }
    }
    if report.verdict == .failed { throw ExitCode(1) }
  }

  private func print(_ report: VerificationReport, line: (String) -> Void) {
    for check in report.checks {
      let name = check.name.rawValue.padding(toLength: 14, withPad: " ", startingAt: 0)
      let status = check.status.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
      line("\(name)\(status)\(printable(check.detail))")
    }
    for finding in report.findings { line(finding.line) }
    let (errors, warnings) = (
      report.findings.count { $0.severity == .error },
      report.findings.count { $0.severity == .warning }
    )
    let counts = "\(counted(errors, "error")), \(counted(warnings, "warning"))"
    var verdict: String
    switch report.verdict {
    case .failed: verdict = "FAILED: \(counts)"
    case .ok: verdict = warnings > 0 ? "ok, \(counted(warnings, "warning"))" : "ok"
    case .notComplete:
      verdict =
        "not complete: \(report.incomplete.map(\.name.rawValue).joined(separator: ", ")) skipped"
        + (warnings > 0 ? ", \(counted(warnings, "warning"))" : "")
    }
    if let root = report.root {
      verdict +=
        "; \(counted(report.tensorCount, "tensor")), \(humanSize(report.byteCount)); root \(root)"
    }
    line(verdict)
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
