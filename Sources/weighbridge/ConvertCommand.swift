import ArgumentParser
import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import TensorEvaluation
import TensorModel

/// `weighbridge convert`.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert a checkpoint to another format, dtype or number of files.",
    discussion: """
      SOURCE is anything readable: a file, a directory, a .tar or .tar.zst archive, or - for an \
      archive on standard input. A DESTINATION that ends in .safetensors, .gguf or .npz is one file, \
      any other a directory; one that ends in .store is a store. Without --to and such an ending, \
      safetensors and stores keep their format. A destination is complete or absent; a certificate \
      beside the weights says how each tensor was computed, whether it was rounded, and its digest.

      Formats that are written:
        safetensors (hf)   Hugging Face safetensors with config.json
        store              canonical weight store, HDF5 volumes with zstd chunks
        mesh-transformer   GPT-J's original shards, step_N/shard_i/k.npz
        npz                numpy arrays by name, as numpy.savez writes them
        gguf               for llama.cpp, with the tokenizer; GPT-J as phi2
        mlx                for mlx-lm, under its models' names; GPT-J as gptj or phi
        weight-delta       trainers' updates weight_vNNNNNN: what changed since --base

      Examples:
        weighbridge convert step_383500_slim.tar.zstd gpt-j-6b --to hf --dtype f16
        weighbridge convert mesh/step_6 out --to hf --config 6B.json --assets gpt2
        weighbridge convert gpt-j-6b gpt-j-6b-sharded --max-shard-size 2GB
        weighbridge convert gpt-j-6b mesh --to mesh-transformer --shards 8
        weighbridge convert gpt-j-6b gpt-j-6b.gguf --dtype f16
        weighbridge convert gpt-jt gpt-jt.store --base gpt-j-6b
        weighbridge convert llama.Q4_K_M.gguf llama --to hf --dtype bf16
        zstd -dc step.tar.zst | weighbridge convert - out --to hf
      """)

  @Argument(help: "The checkpoint to convert.", completion: .file())
  var source: String

  @Argument(
    help: "Where to write; must not exist, unless it is an empty directory.", completion: .file())
  var destination: String

  @Option(
    help: ArgumentHelp("The format to write.", valueName: "format"),
    completion: .list(ConversionJob.formatNames))
  var to: String?

  @Option(help: "The dtype of float tensors: keep, f32, f16 or bf16.")
  var dtype = DTypeChoice.keep

  @Option(
    help: ArgumentHelp(
      "How the experts of a mixture are written: separate (tensors of each), or stacked (one for all of a layer). By default as the source has them.",
      valueName: "spelling"))
  var experts: ExpertChoice?

  @Option(
    help: ArgumentHelp(
      "How a store is compressed: zstd (what suits each dtype best), zstd:LEVEL, or none. By default zstd, or as the source store is.",
      valueName: "method"))
  var compression: CompressionChoice?

  @Option(
    help: ArgumentHelp(
      "What a difference calls its base; by default the last component of its path.",
      valueName: "text"))
  var baseHint: String?

  @Flag(
    name: .customLong("validate"),
    help:
      "Run source and result side by side on some tokens at the end, and put the difference of their logits into the certificate."
  )
  var validatesResult = false

  @OptionGroup var validation: PairTokens<Validation>

  @OptionGroup var options: DestinationOptions

  @OptionGroup(title: "Work in parts") var parts: PartOptions

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    try parts.check()
    guard validatesResult || !validation.areGiven else {
      throw ValidationError("--tokens, --tokens-file and --text need --validate.")
    }
    guard baseHint == nil || !shared.base.isEmpty else {
      throw ValidationError("--base-hint needs --base.")
    }
  }

  private func request(_ progress: ProgressLine) throws(CheckpointError) -> ConversionRequest {
    var request = try options.request(source, destination, shared, progress)
    request.format = to
    request.settings.dtype = dtype.dtype
    request.settings.experts = experts?.spelling
    request.settings.compression = compression?.value
    request.settings.baseHint = try baseHint.map(BaseHint.checked)
    if parts.part != nil {
      request.invocation = PartsInvocation(source: source, arguments: CommandWords.ofAllParts)
    }
    if validatesResult {
      shared.noteSlowness()
      request.validator = try validation.validator(request, standardCount: 32, progress.work)
    }
    return request
  }

  func run() throws {
    let progress = shared.progress
    let job = ConversionJob(try request(progress))
    if let part = parts.part, !options.dryRun {
      return try AttendedPart(job, part, destination, progress, shared).finish()
    }
    if let submission = try parts.submission(destination, shared, options) {
      return try submission.run(job)
    }
    if options.dryRun {
      let (source, plan) = try job.plan()
      if validatesResult { shared.noteUnrun() }
      let part = try parts.part.map { (part) throws(CheckpointError) in
        try AttendedPart.text(job, part, plan)
      }
      if shared.json {
        try ConversionJob.write(plan, source) { (piece) in
          Signals.endIfReceived()
          Console.output(document: piece)
        }
        if let part { Console.error(part) }
      } else {
        Console.output { ConversionText.print(plan, source, destination, line: $0) }
        if let part { Console.output("\n\(part)") }
      }
      return
    }
    let work = try AttendedConversion(job, destination, progress, shared)
    if shared.json {
      Console.output(
        document: try JSONDocument.bytes(
          ConversionDocument(
            work.outcome.certificate, source, resumedTensorCount: work.outcome.resumedTensorCount,
            seconds: work.seconds)))
    } else {
      Console.output(
        ConversionText.closing(
          work.outcome.certificate, destination,
          resumedTensorCount: work.outcome.resumedTensorCount, base: work.outcome.base))
    }
    try work.outcome.certificate.requireNumbers()
  }
}

extension Certificate {
  /// Ends with 1 where both models were run and one computes no numbers: what was written can't be what was wanted.
  func requireNumbers() throws {
    guard let validation, !validation.computesNumbers else { return }
    Console.error(ForwardReport.noNumbersError)
    throw ExitCode(1)
  }
}

/// What `--compression` takes.
struct CompressionChoice: ExpressibleByArgument {
  let value: ConversionPlan.Compression

  static let allValueStrings = ["zstd", "none"]
  static let defaultCompletionKind = CompletionKind.list(allValueStrings)

  init?(argument: String) {
    guard let value = ConversionPlan.Compression(argument) else { return nil }
    self.value = value
  }
}

/// What `--experts` takes.
enum ExpertChoice: String, ExpressibleByArgument, CaseIterable {
  case separate, stacked

  var spelling: Architecture.ExpertSpelling {
    switch self {
    case .separate: .separate
    case .stacked: .stacked
    }
  }
}

/// What `--dtype` takes.
enum DTypeChoice: String, ExpressibleByArgument, CaseIterable {
  case keep, f32, f16, bf16

  init?(argument: String) { self.init(rawValue: DType.optionName(argument)) }

  var dtype: DType? {
    switch self {
    case .keep: nil
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }
}
