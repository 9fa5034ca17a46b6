import ArgumentParser
import CheckpointConversion
import FileContainers
import Foundation
import TensorModel

/// The command: its subcommands, and what its exit codes mean.
@main
struct Weighbridge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "weighbridge",
    abstract: "Weighs model checkpoints: says what is in them, converts them exactly, proves it.",
    discussion: """
      Examples:
        weighbridge inspect step_383500_slim.tar.zstd
        weighbridge convert step_383500_slim.tar.zstd gpt-j-6b --to hf --dtype f16
        weighbridge verify gpt-j-6b --against step_383500_slim.tar.zstd

      Exit codes: 0 fine; 1 the check ran and found something; 2 it could not run; 129, 130 and \
      143 after SIGHUP, SIGINT and SIGTERM.
      """,
    version: Certificate.Tool.current.version,
    subcommands: [
      InspectCommand.self, ConvertCommand.self, QuantizeCommand.self, ImportanceCommand.self,
      MergeCommand.self, StatusCommand.self, VerifyCommand.self,
      ChecksCommand.self, ManifestCommand.self, SignCommand.self, CompareCommand.self,
      ForwardCommand.self,
      CatalogueCommand.self, DatasetsCommand.self,
    ])

  static func main() {
    Console.occupyStreams()
    Signals.install()
    Processors.raiseOpenFileLimit()
    PageArena.mapLargeArrays()
    let arguments = Array(ProcessArguments.all.dropFirst())
    Paint.choose(from: arguments)
    do {
      try CommandLineCheck(arguments).run()
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch let error as CheckpointError {
      CommandFailure(error).report(asked: arguments)
      Foundation.exit(error.code == .interrupted ? Signals.exitCode : 2)
    } catch {
      let code = exitCode(for: error)
      var message = fullMessage(for: error)
      if code.isSuccess {
        if message == configuration.version { message = VersionText.text }
        // Help, version and completion scripts, which are written as they are.
        Console.output(document: Array((message + (message.hasSuffix("\n") ? "" : "\n")).utf8))
        Foundation.exit(0)
      }
      if !message.isEmpty { CommandFailure(UsageMessage(message)).report(asked: arguments) }
      // A command that ran has chosen its code; everything else here is a usage error.
      Foundation.exit(error is ExitCode ? code.rawValue : 2)
    }
  }
}
