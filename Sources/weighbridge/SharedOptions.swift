import ArgumentParser
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel

/// What every command that reads tensors takes.
struct SharedOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The model's configuration, where the checkpoint has none or another shall count: Mesh-Transformer's JSON, or Hugging Face's config.json. With two checkpoints only for the one that has none.",
      valueName: "file"))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "The most memory for buffers, such as 500MB or 2GiB (default: 1GB; forward and compare --forward: half of the machine's).",
      valueName: "size"))
  var memory: ByteSize?

  @Option(help: ArgumentHelp("Threads; by default as many as the process may use.", valueName: "n"))
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Where archives are unpacked to; by default beside the destination, or the temporary directory.",
      valueName: "dir"))
  var spool: String?

  @Option(
    help: ArgumentHelp(
      "How many times its size an archive may have unpacked, as a whole (default: 100; never less than 1GB).",
      valueName: "n"))
  var maxExpansion: Int?

  @Flag(help: "Print one JSON document to standard output.")
  var json = false

  @Flag(help: "No progress and no remarks on standard error, only warnings and errors.")
  var quiet = false

  func validate() throws {
    if let maxExpansion, !(1...1_000_000).contains(maxExpansion) {
      throw ValidationError("--max-expansion must be 1 to 1000000.")
    }
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1.") }
    if let memory, memory.byteCount < EvaluationResources.minimumMemory {
      throw ValidationError(
        "--memory must be at least \(humanSize(EvaluationResources.minimumMemory)).")
    }
    if let spool, FileKind(of: spool) != .directory {
      throw ValidationError("--spool needs a directory that exists; '\(spool)' is none.")
    }
  }

  /// Memory and threads, stopping when a signal comes.
  var resources: EvaluationResources { resources(standardMemory: 1_000_000_000) }

  /// The same with another default of memory.
  func resources(standardMemory: Int) -> EvaluationResources {
    EvaluationResources(
      memory: memory?.byteCount ?? standardMemory, threads: threads ?? Processors.allowedCount,
      checkCancellation: Signals.check)
  }

  /// How to open a checkpoint.
  ///
  /// - Throws: `missing` or `inputOutput` for the configuration file.
  func openOptions(progress: ProgressLine? = nil) throws(CheckpointError) -> OpenOptions {
    var options = OpenOptions(progress: progress?.set, checkCancellation: Signals.check)
    if let spool { options.temporaryDirectory = spool }
    if let maxExpansion { options.expansionLimit = ExpansionLimit(factor: maxExpansion) }
    if let config {
      options.configuration = try InputFile.contents(
        of: config, limit: OpenOptions.maximumConfigurationByteCount)
      options.configurationName = config
    }
    return options
  }
}
