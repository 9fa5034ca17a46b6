import ArgumentParser
import CheckpointConversion
import CheckpointVerification
import Foundation
import TensorModel

/// `weighbridge status`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Say how far the parts of a conversion or a verification are.",
    discussion: """
      DESTINATION is what the parts were given; for verify the folder of --parts.

      Exit code 0: all parts are complete; 1: not yet; 2: there are no parts.

      Examples:
        weighbridge status gpt-j-6b
        weighbridge status gpt-j-6b --json
      """)

  @Argument(help: "The destination of the parts.", completion: .file())
  var destination: String

  @Flag(help: "Print one JSON document to standard output.")
  var json = false

  @OptionGroup var colors: ColorOption

  func run() throws {
    let status =
      try VerificationMerge.isOne(destination)
      ? VerificationMerge.status(of: destination) : PartsStatus(of: destination)
    for damage in status.damages {
      Console.error("warning: \(damage)")
    }
    if json {
      Console.output(document: try JSONDocument.bytes(status))
    } else {
      Console.output(PartsText.status(status, destination))
    }
    if !status.complete { throw ExitCode(1) }
  }
}
