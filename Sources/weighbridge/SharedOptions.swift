import ArgumentParser
import CheckpointFormats
import FileContainers
import Foundation
import ReferenceForward
import TensorEvaluation
import TensorModel

/// What a number on the command line may be.
struct OptionRange {
  private let name: String
  private let range: ClosedRange<Int>

  init(_ name: String, _ range: ClosedRange<Int>) {
    self.name = name
    self.range = range
  }

  /// Refuses numbers outside of the range.
  func check(_ value: Int?) throws {
    guard let value, !range.contains(value) else { return }
    throw ValidationError(
      "\(name) must be from \(range.lowerBound) to \(range.upperBound), not \(value).")
  }
}

/// What every command that reads tensors takes.
struct SharedOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The model's configuration, if the checkpoint has none, or to use another: Mesh-Transformer's JSON, GPT-NeoX's YAML, or Hugging Face's config.json. With two checkpoints only for the one that has none.",
      valueName: "file"), completion: .file())
  var config: String?

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "The base of a checkpoint that is a difference: what is read together with it, or what convert writes a difference to. Any format; can be given several times.",
      valueName: "path"), completion: .file())
  var base: [String] = []

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
      valueName: "dir"), completion: .directory)
  var spool: String?

  @Option(
    help: ArgumentHelp(
      "How many times its size an archive may have unpacked, as a whole (default: 100; never less than 1GB).",
      valueName: "n"))
  var maxExpansion: Int?

  @Flag(help: "Print one JSON document to standard output.")
  var json = false

  @Flag(
    name: .shortAndLong,
    help: "No progress and no remarks on standard error, only warnings and errors.")
  var quiet = false

  @Flag(
    name: .shortAndLong,
    help: "Say after each step of the work how much was done, and how long it took.")
  var verbose = false

  @OptionGroup var colors: ColorOption

  func validate() throws {
    if quiet && verbose { throw ValidationError("Give --quiet or --verbose, not both.") }
    guard !base.contains("") else { throw ValidationError("--base needs a path, not ''.") }
    try OptionRange("--max-expansion", 1...1_000_000).check(maxExpansion)
    try OptionRange("--threads", 1...1024).check(threads)
    let memoryRange = EvaluationResources.minimumMemory...1_000_000_000_000_000
    if let memory, !memoryRange.contains(memory.byteCount) {
      throw ValidationError(
        "--memory must be from \(humanSize(memoryRange.lowerBound)) to \(humanSize(memoryRange.upperBound)), not \(humanSize(memory.byteCount))."
      )
    }
    if let spool, FileKind(of: spool) != .directory {
      throw ValidationError("--spool needs a directory that exists; '\(spool)' isn't one.")
    }
  }

  /// Memory and threads, stopping when a signal comes.
  var resources: EvaluationResources { resources(standardMemory: 1_000_000_000) }

  /// The same with another default of memory.
  func resources(standardMemory: Int) -> EvaluationResources {
    let memory = memory?.byteCount ?? standardMemory
    PageArena.shared.limit = memory
    return EvaluationResources(
      memory: memory, threads: threads ?? Processors.allowedCount,
      checkCancellation: Signals.check)
  }

  /// Says that products of matrices take long here, and what would make them fast.
  ///
  /// - Parameter work: that they are made for.
  func noteSlowness(of work: String = "a forward pass") {
    guard !quiet, let reason = Decoder.slowness else { return }
    Console.error("note: \(work) takes several times as long here: \(reason)")
  }

  /// Says that --validate runs nothing where nothing is written; that it could be was made sure of.
  ///
  /// - Parameter advice: what runs all the same.
  func noteUnrun(_ advice: String = "") {
    guard !quiet else { return }
    Console.error(
      "note: --validate: the model and its tokens can be run, and --dry-run runs nothing\(advice)")
  }

  /// The line that shows how far the work has come.
  var progress: ProgressLine { ProgressLine(quiet: quiet, verbose: verbose) }

  /// How to open a checkpoint.
  ///
  /// - Parameters:
  ///   - source: the checkpoint, as the user named it.
  ///   - progress: shows how an archive is unpacked.
  /// - Returns: the options.
  /// - Throws: `missing` or `inputOutput` for the configuration file.
  func openOptions(
    _ source: String, _ progress: ProgressLine
  ) throws(CheckpointError) -> OpenOptions {
    if let threads { ParallelPieces.threadCount = threads }
    var options = OpenOptions(
      progress: progress.unpacking(source), checkCancellation: Signals.check)
    options.datasets = ProcessArguments.executablePath.map { DatasetProcess(executable: $0) }
    if !base.isEmpty { options.bases = GivenBases(base, resources, progress: progress.work) }
    if let spool { options.temporaryDirectory = spool }
    if let maxExpansion { options.expansionLimit = ExpansionLimit(factor: maxExpansion) }
    if let config {
      options.configuration = try InputFile.contents(
        of: config, limit: OpenOptions.maximumConfigurationByteCount, recordedIn: options.readFiles)
      // A file that the user names is looked at at once: what is wrong with it is nothing of the checkpoint's.
      let bytes = options.configuration ?? []
      if YAMLFile.isNamed(config) {
        _ = try YAMLFile.parse(bytes, config)
      } else {
        try JSONFile.check(bytes, config)
      }
      options.configurationName = config
    }
    return options
  }
}
