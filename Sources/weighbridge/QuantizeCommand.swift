import ArgumentParser
import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import Quantization
import TensorModel

/// `weighbridge quantize`.
struct QuantizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract:
      "Make a checkpoint smaller, by a known amount: for llama.cpp, MLX or vLLM.",
    discussion: """
      SOURCE is anything readable, also archives and checkpoints that llama.cpp itself can't read; \
      it is converted and quantized in one pass. The blocks are those of ggml's reference, and MLX's \
      codes, scales and biases those of mx.quantize on the CPU, bit for \
      bit, on every machine and with any number of threads. For vLLM and transformers scales are those \
      of compressed-tensors, and codes the nearest. A report says for every tensor which \
      type it gets and why, and how far it is then from the weights.

      Schemes:
      \(SchemeChoice.table)

      Types for --tensor-type and --output-type: \(SchemeChoice.typeNames.joined(separator: " ")); \
      with schemes for MLX and vLLM their names, f32, f16 and bf16.

      Exit code 1: the quantization is written, but exceeds --max-kl or --max-rmse.

      Examples:
        weighbridge quantize gpt-j-6b gpt-j-6b.Q4_K_M.gguf --scheme q4_k_m
        weighbridge quantize step_383500_slim.tar.zstd gpt-j.gguf --scheme q8_0 \\
            --assets gpt2
        weighbridge quantize llama llama.gguf --scheme q4_k_m \\
            --imatrix llama.imatrix.gguf
        weighbridge quantize llama llama.gguf --scheme q4_0 \\
            --tensor-type 'ffn_down=q6_k' --dry-run
        weighbridge quantize llama llama-mlx --scheme mlx-q4-g64 \\
            --tensor-type 'v_proj=mlx-q6-g64'
        weighbridge quantize llama llama-fp8 --scheme fp8 --max-shard-size 5GB
        weighbridge quantize llama llama.gguf --scheme q5_k_m --validate \\
            --max-kl 0.02 --report q.html
      """)

  @Argument(help: "The checkpoint to quantize.", completion: .file())
  var source: String

  @Argument(
    help: "Where to write: a .gguf file, or a directory for a split set, MLX or vLLM.",
    completion: .file())
  var destination: String

  @Option(help: ArgumentHelp("What most weights become.", valueName: "scheme"))
  var scheme: SchemeChoice

  @Option(
    help: ArgumentHelp(
      "The type of tensors whose name in the file has a match of a regular expression, such as 'blk\\.[0-3]\\.ffn_down=q6_k'; may be repeated, the first that fits counts.",
      valueName: "pattern=type"))
  var tensorType: [String] = []

  @Option(
    help: ArgumentHelp(
      "The type of what makes the logits: the head, or the embedding where that is the head.",
      valueName: "type"), completion: .list(SchemeChoice.typeNames))
  var outputType: String?

  @Option(
    help: ArgumentHelp(
      "An importance matrix of llama.cpp's, GGUF or .dat: errors in columns that matter count more.",
      valueName: "file"), completion: .file())
  var imatrix: String?

  @Flag(
    help:
      "Stop where a tensor's rows don't fill blocks of its type, instead of substituting another; where weights would be quantized a second time; and where none would be."
  )
  var strict = false

  @Flag(
    name: .customLong("validate"),
    help:
      "Run source and result side by side at the end: divergence of next-token distributions, and the tokens' likelihood."
  )
  var validatesResult = false

  @OptionGroup var validation: ValidationTokens

  @Option(
    help: ArgumentHelp(
      "With --validate: the largest mean Kullback-Leibler divergence, in nats, that makes the exit code 0.",
      valueName: "x"))
  var maxKl: Double?

  @Option(
    help: ArgumentHelp(
      "The largest relative error of any tensor, ‖x - y‖ / ‖x‖, that makes the exit code 0.",
      valueName: "x"))
  var maxRmse: Double?

  @Option(
    help: ArgumentHelp("Write the report to a file, for a browser: .html.", valueName: "file"),
    completion: .file())
  var report: String?

  @OptionGroup var options: DestinationOptions

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    guard validatesResult || (!validation.areGiven && maxKl == nil) else {
      throw ValidationError("--tokens, --tokens-file, --text and --max-kl need --validate.")
    }
    for (name, limit) in [("--max-kl", maxKl), ("--max-rmse", maxRmse)] {
      if let limit, !limit.isFinite || limit < 0 {
        throw ValidationError("\(name) must be a number, and not negative.")
      }
    }
    if options.dryRun && report != nil {
      throw ValidationError("--report needs a run: --dry-run measures nothing.")
    }
    guard imatrix == nil || scheme.scheme.container.heedsImportance else {
      throw ValidationError("--imatrix changes nothing in \(scheme.scheme.container.title).")
    }
    try ReportFile.requirePage(report)
  }

  private static func type(
    _ name: String, _ container: QuantizationContainer
  ) throws(CheckpointError) -> WeightType {
    guard let type = container.type(named: name) else {
      throw container.unknownType(name, option: "--output-type")
    }
    return type
  }

  private func quantization(_ inputs: ReadFiles) throws(CheckpointError) -> QuantizationRequest {
    var request = QuantizationRequest(scheme.scheme)
    let container = scheme.scheme.container
    for text in tensorType { request.overrides.append(try TensorTypeOverride(text, container)) }
    request.outputType = try outputType.map { (name) throws(CheckpointError) in
      try Self.type(name, container)
    }
    request.isStrict = strict
    if let imatrix { request.importance = try ImportanceMatrix(path: imatrix, recordedIn: inputs) }
    return request
  }

  func run() throws {
    let progress = shared.progress
    var request = try options.request(source, destination, shared, progress)
    let inputs = request.openOptions.readFiles
    let quantization = try quantization(inputs)
    request.format = scheme.scheme.container.format
    request.settings.quantization = quantization
    let tokens = RecordedTokens()
    if validatesResult {
      shared.noteSlowness()
      var validator = try validation.validator(request, standardCount: 128, progress.work)
      validator.willRun = tokens.record
      request.validator = validator
    }
    let job = ConversionJob(request)
    let limits = QuantizationReport.Limits(maxKl: maxKl, maxRmse: maxRmse)
    if options.dryRun {
      let (_, plan) = try job.plan()
      let report = QuantizationReport(plan, quantization, limits: limits)
      if shared.json {
        Console.output(document: try JSONDocument.bytes(report))
      } else {
        Console.output(QuantizationText.plan(report) + "\n")
      }
      return
    }
    let page = try report.map { try ReportFile($0, besides: [source, destination], inputs) }
    let work = try AttendedConversion(job, destination, progress, shared)
    let report = QuantizationReport(
      work.plan, quantization, work.outcome.certificate, limits: limits)
    try page?.write(
      QuantizationPage(
        report,
        QuantizationPage.Run(
          source: source, destination: destination, command: PageCommandLine().text,
          tokens: tokens.ids.map { ($0, validation.origin) })
      ).html())
    if shared.json {
      Console.output(
        document: try JSONDocument.bytes(
          QuantizationDocument(
            report: report, path: JSONDocument.path(source),
            resumedTensors: work.outcome.resumedTensorCount, seconds: work.seconds))
      )
    } else {
      Console.output(QuantizationText.outcome(report, destination))
    }
    if !report.exceeded.isEmpty { throw ExitCode(1) }
  }
}

/// `quantize --json`: the report, and what may differ from run to run.
private struct QuantizationDocument: Encodable {
  let report: QuantizationReport
  let path: String
  let resumedTensors: Int
  let seconds: Double

  private struct Timing: Encodable { let seconds: Double }

  private enum CodingKeys: String, CodingKey { case path, resumedTensors, timing }

  func encode(to encoder: any Encoder) throws {
    try report.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(path, forKey: .path)
    try container.encode(resumedTensors, forKey: .resumedTensors)
    try container.encode(Timing(seconds: (seconds * 1000).rounded() / 1000), forKey: .timing)
  }
}

/// What `--scheme` takes.
struct SchemeChoice: ExpressibleByArgument {
  let scheme: QuantizationScheme

  init?(argument: String) {
    guard let scheme = QuantizationScheme(named: argument) else { return nil }
    self.scheme = scheme
  }

  static let allValueStrings = QuantizationScheme.all.map(\.name)
  static let defaultCompletionKind = CompletionKind.list(allValueStrings)

  /// A line or two for each family of schemes, as `--help` has them.
  static var table: String {
    QuantizationScheme.families.map { family in
      let names = "  " + family.names
      let gap = tableColumn - names.count
      return names
        + (gap > 0
          ? String(repeating: " ", count: gap)
          : "\n" + String(repeating: " ", count: tableColumn))
        + family.summary
    }.joined(separator: "\n")
  }

  private static let tableColumn = 34

  /// The dtypes that single tensors can be given, of all containers.
  static var typeNames: [String] {
    var names: [String] = []
    for scheme in QuantizationScheme.all {
      names += scheme.container.dtypeNames.filter { !names.contains($0) }
    }
    return names
  }
}
