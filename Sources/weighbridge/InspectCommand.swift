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
      """)

  @Argument(help: "The checkpoint to inspect.", completion: .file())
  var checkpoint: String

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

  @OptionGroup var shared: SharedOptions

  func run() throws {
    let progress = shared.progress
    let source = try Source(checkpoint, try shared.openOptions(checkpoint, progress))
    let inspection = try Inspection(
      source, digests: digests, statistics: statistics, shared.resources, progress: progress.work)
    progress.finish()
    try source.confirm()
    if shared.json {
      try inspection.write { (piece) in
        Signals.endIfReceived()
        Console.output(document: piece)
      }
    } else {
      let log = FindingLog(quiet: shared.quiet)
      for finding in inspection.findings { log.report(finding) }
      log.finish("--json")
      Console.output(lines: InspectionText(inspection, listsTensors: tensors).print)
    }
  }
}
