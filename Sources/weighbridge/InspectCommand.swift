import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel

/// `weighbridge inspect`.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Say what is in a checkpoint.",
    discussion: """
      Reads headers only, unless --statistics or --digests ask for the data.

      Examples:
        weighbridge inspect gpt-j-6b
        weighbridge inspect step_383500_slim.tar.zstd --tensors
        weighbridge inspect model.safetensors --digests --json
        weighbridge inspect models/*.gguf --json-lines | jq -r '.path, .architecture'
      """)

  @Argument(
    help: ArgumentHelp("The checkpoint to inspect; can be several.", valueName: "checkpoint"),
    completion: .file())
  var checkpoints: [String]

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(
    help: """
      Minimum, maximum, mean, standard deviation, zeros, NaN and infinities of each tensor, and \
      which narrower dtypes would hold its values.
      """)
  var statistics = false

  @Flag(help: "SHA-256 of each tensor, and the checkpoint's root.")
  var digests = false

  @Flag(help: "Print one JSON document to standard output for each checkpoint, on a line each.")
  var jsonLines = false

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if shared.json && jsonLines { throw ValidationError("Give --json or --json-lines, not both.") }
    if shared.json && checkpoints.count > 1 {
      throw ValidationError(
        "--json prints one document: for several checkpoints give --json-lines.")
    }
  }

  func run() throws {
    guard checkpoints.count > 1 else { return try inspect(checkpoints[0]) }
    var areAllReadable = true
    for (place, checkpoint) in checkpoints.enumerated() {
      do throws(CheckpointError) {
        if !jsonLines {
          Console.output("\(place == 0 ? "" : "\n")\(Paint.text(printable(checkpoint), .name))")
        }
        try inspect(checkpoint)
      } catch {
        if error.code == .interrupted { throw error }
        CommandFailure(error.in(file: checkpoint)).report(asDocument: jsonLines, true)
        areAllReadable = false
      }
      Console.endReport()
    }
    if !areAllReadable { throw ExitCode(2) }
  }

  private func inspect(_ checkpoint: String) throws(CheckpointError) {
    let progress = shared.progress
    var options = try shared.openOptions(checkpoint, progress)
    options.replacesConfiguration = checkpoints.count == 1
    options.opensWithoutBase = true
    let source = try Source(checkpoint, options)
    try options.bases?.requireUsed()
    let inspection = try Inspection(
      source, digests: digests, statistics: statistics, shared.resources, progress: progress.work)
    progress.finish()
    try source.confirm()
    if shared.json || jsonLines {
      try printDocument(inspection)
    } else {
      let log = FindingLog(quiet: shared.quiet)
      for finding in inspection.findings { log.report(finding) }
      log.finish("--json")
      Console.output(lines: InspectionText(inspection, listsTensors: tensors).print)
    }
  }

  private func printDocument(_ inspection: Inspection) throws(CheckpointError) {
    var line = DocumentLine()
    try inspection.write { (piece) in
      Signals.endIfReceived()
      Console.output(document: jsonLines ? line.piece(piece) : piece)
    }
    if jsonLines { Console.output(document: line.end) }
  }
}
