import ArgumentParser
import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
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

      Examples:
        weighbridge convert step_383500_slim.tar.zstd gpt-j-6b --to hf --dtype f16
        weighbridge convert mesh/step_6 out --to hf --config 6B.json --assets gpt2
        weighbridge convert gpt-j-6b gpt-j-6b-sharded --max-shard-size 2GB
        weighbridge convert gpt-j-6b mesh --to mesh-transformer --shards 8
        weighbridge convert gpt-j-6b gpt-j-6b.gguf --dtype f16
        weighbridge convert llama.Q4_K_M.gguf llama --to hf --dtype bf16
        zstd -dc step.tar.zst | weighbridge convert - out --to hf
      """)

  @Argument(help: "The checkpoint to convert.")
  var source: String

  @Argument(help: "Where to write; must not exist, unless it is an empty directory.")
  var destination: String

  @Option(help: ArgumentHelp("The format to write.", valueName: "format"))
  var to: String?

  @Option(help: "The dtype of float tensors: keep, f32, f16 or bf16.")
  var dtype = DTypeChoice.keep

  @Option(
    help: ArgumentHelp("The most bytes of tensors in a file (default: 5GB).", valueName: "size"))
  var maxShardSize: ByteSize?

  @Option(
    help: ArgumentHelp(
      "The number of files, instead of --max-shard-size; for mesh-transformer the number of shards (default: the source's, else the largest of 8, 4, 2, 1 that divides heads and vocabulary).",
      valueName: "n"))
  var shards: Int?

  @Option(
    help: ArgumentHelp(
      "How a store is compressed: zstd (what suits each dtype best), zstd:LEVEL, or none. By default zstd, or as the source store is.",
      valueName: "method"))
  var compression: CompressionChoice?

  @Option(
    help: ArgumentHelp(
      "A directory whose tokenizer and other sidecar files are carried along.", valueName: "dir"))
  var assets: String?

  @Option(
    help: ArgumentHelp(
      "What tokens see: causal gives prefix attention up where the destination can't carry it, prefix declares it for files that don't say it. By default what the checkpoint says.",
      valueName: "mode"))
  var attention: AttentionChoice?

  @Flag(help: "Let values that don't fit the dtype become infinite instead of stopping.")
  var allowOverflow = false

  @Flag(help: "Go on with an interrupted conversion.")
  var resume = false

  @Flag(
    help:
      "Replace an existing destination, and discard unfinished work for it (with --resume: go on with that)."
  )
  var force = false

  @Flag(help: "Print what would be done, and write nothing.")
  var dryRun = false

  @Flag(
    help:
      "Don't compare a store's tensors with the digests in its manifest; the checksums of its chunks are always compared."
  )
  var skipDigestCheck = false

  @Flag(
    name: .customLong("validate"),
    help:
      "Run source and result side by side on 32 tokens at the end, and put the difference of their logits into the certificate."
  )
  var validatesResult = false

  @Flag(help: "Put SHA-256 digests of the input files into the certificate.")
  var hashInputs = false

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if maxShardSize != nil && shards != nil {
      throw ValidationError("Give --max-shard-size or --shards, not both.")
    }
    if let shards, shards < 1 { throw ValidationError("--shards must be at least 1.") }
  }

  private func request(_ progress: ProgressLine?) throws(CheckpointError) -> ConversionRequest {
    var resources = shared.resources
    resources.checksRecordedDigests = !skipDigestCheck
    var request = ConversionRequest(
      source: source, destination: destination,
      openOptions: try shared.openOptions(progress: progress), resources: resources)
    request.format = to
    request.settings.dtype = dtype.dtype
    request.settings.allowOverflow = allowOverflow
    request.settings.compression = compression?.value
    if let shards { request.settings.sharding = .count(shards) }
    if let size = maxShardSize { request.settings.sharding = .maximumByteCount(size.byteCount) }
    request.openOptions.assetsDirectory = assets
    request.openOptions.attention = attention?.mode
    request.spoolDirectory = shared.spool
    if validatesResult { request.validator = ForwardComparison.validator(resources) }
    request.resume = resume
    request.force = force
    request.hashesInputs = hashInputs
    return request
  }

  func run() throws {
    let unpacking = ProgressLine("unpacking", total: 0, quiet: shared.quiet)
    if let size = try? InputFile(path: source).byteCount { unpacking.setTotal(size) }
    let job = ConversionJob(try request(unpacking))
    if dryRun {
      let (source, plan) = try job.plan()
      if shared.json {
        Console.output(try ConversionJob.document(plan, source))
      } else {
        Console.output(ConversionText.plan(plan, source, destination))
      }
      return
    }
    let start = Date()
    let log = FindingLog(quiet: shared.quiet)
    let writing = ProgressLine("writing", total: 0, quiet: shared.quiet)
    let outcome = try job.run(
      ConversionJob.Observer(
        willStart: { source, plan in
          unpacking.finish()
          writing.setTotal(plan.tensors.reduce(0) { $0 + $1.byteCount })
          if !shared.quiet {
            Console.error(ConversionText.opening(plan, source, destination, shared))
          }
          for finding in plan.findings { log.report(finding) }
          if !plan.leftOut.isEmpty && !shared.quiet {
            Console.error("note: left out: \(printable(plan.leftOut.joined(separator: ", ")))")
          }
        },
        report: log.report, progress: writing.add))
    writing.finish()
    log.finish("the certificate")
    if let leftover = outcome.leftover {
      Console.error("warning: \(leftover) could not be removed; nothing in it is needed")
    }
    if shared.json {
      let seconds = Date().timeIntervalSince(start)
      Console.output(
        try JSONDocument.bytes(ConversionDocument(outcome, seconds: seconds)))
    } else {
      Console.output(ConversionText.closing(outcome, destination))
    }
  }
}

/// What `--compression` takes.
struct CompressionChoice: ExpressibleByArgument {
  let value: ConversionPlan.Compression

  init?(argument: String) {
    switch argument {
    case "none": value = .uncompressed
    case "zstd": value = .zstd(level: nil)
    default:
      guard argument.hasPrefix("zstd:"), let level = Int(argument.dropFirst(5)),
        ConversionPlan.Compression.levels.contains(level)
      else { return nil }
      value = .zstd(level: level)
    }
  }
}

/// What `--dtype` takes.
enum DTypeChoice: String, ExpressibleByArgument, CaseIterable {
  case keep, f32, f16, bf16

  var dtype: DType? {
    switch self {
    case .keep: nil
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }
}

/// What `--attention` takes.
enum AttentionChoice: String, ExpressibleByArgument, CaseIterable {
  case causal, prefix

  var mode: AttentionMode {
    switch self {
    case .causal: .causal
    case .prefix: .prefix
    }
  }
}
