import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import TensorEvaluation
import TensorModel

/// What commands take that write a checkpoint: where and how, and what happens to what is there.
struct DestinationOptions: ParsableArguments {
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
      "A directory whose tokenizer and other sidecar files are carried along.", valueName: "dir"),
    completion: .directory)
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

  @Flag(help: "Put SHA-256 digests of the input files into the certificate.")
  var hashInputs = false

  func validate() throws {
    if maxShardSize != nil && shards != nil {
      throw ValidationError("Give --max-shard-size or --shards, not both.")
    }
    try OptionRange("--shards", 1...99_999).check(shards)
    if let size = maxShardSize, size.byteCount < 1 {
      throw ValidationError("--max-shard-size must be at least 1 byte.")
    }
  }

  /// A request with these options.
  ///
  /// - Throws: `missing` or `inputOutput` for the configuration file.
  func request(
    _ source: String, _ destination: String, _ shared: SharedOptions, _ progress: ProgressLine
  ) throws(CheckpointError) -> ConversionRequest {
    var resources = shared.resources
    resources.checksRecordedDigests = !skipDigestCheck
    var request = ConversionRequest(
      source: source, destination: destination,
      openOptions: try shared.openOptions(source, progress), resources: resources)
    request.settings.allowOverflow = allowOverflow
    if let shards { request.settings.sharding = .count(shards) }
    if let size = maxShardSize { request.settings.sharding = .maximumByteCount(size.byteCount) }
    request.openOptions.assetsDirectory = assets
    request.openOptions.attention = attention?.mode
    request.spoolDirectory = shared.spool
    request.resume = resume
    request.force = force
    request.hashesInputs = hashInputs
    return request
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
