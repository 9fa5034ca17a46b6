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

      Exit code 1: the quantization is written, but exceeds --max-kl, --max-rmse or a limit for labels.

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
        weighbridge quantize llama --scheme q8_0,q4_k_m,mlx-q4-g64 \\
            --dry-run --measure
        weighbridge quantize llama llama.gguf --scheme q4_k_m --measure --validate \\
            --labels raft.jsonl --report q.html
        weighbridge quantize llama llama.gguf --scheme q4_k_m --quality best \\
            --imatrix llama.imatrix.gguf
        weighbridge quantize llama llama.gguf --target-size 3.5GB --quality best
        weighbridge quantize llama llama.gguf --scheme q3_k_m --quality max \\
            --hessian llama.moments.safetensors
      """)

  @Argument(help: "The checkpoint to quantize.", completion: .file())
  var source: String

  @Argument(
    help:
      "Where to write: a .gguf file, or a directory for a split set, MLX or vLLM; not needed with --dry-run.",
    completion: .file())
  var destination: String?

  @Option(
    help: ArgumentHelp(
      "What most weights become. With --dry-run also several, separated by commas, or a set of them: \(SchemeChoice.setNames).",
      valueName: "scheme"))
  var scheme: SchemeChoice?

  @OptionGroup var size: SizeTargetOptions

  @Flag(
    help:
      "Also make what other schemes of the format would write, and say how far each is from the weights; the source is read once for all. With --dry-run: those that are named, and nothing is written."
  )
  var measure = false

  @Flag(help: "With --dry-run: list all tensors, with the type of each.")
  var tensors = false

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

  @Option(
    help: ArgumentHelp(
      "How scales and codes are made: plain is what the format's own tool does, best searches for scales with smaller errors, max also makes up for errors in later columns (GPTQ), with --hessian.",
      valueName: "quality"))
  var quality = QualityChoice.plain

  @Option(
    help: ArgumentHelp(
      "With --quality max: the second moments of layers' inputs, from weighbridge importance --hessian.",
      valueName: "file"), completion: .file())
  var hessian: String?

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

  @OptionGroup var validation: PairTokens<Validation>

  @OptionGroup var labels: LabelOptions

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

  @OptionGroup(title: "Work in parts") var parts: PartOptions

  @OptionGroup var shared: SharedOptions

  private static func type(
    _ name: String, _ container: QuantizationContainer
  ) throws(CheckpointError) -> WeightType {
    guard let type = container.type(named: name) else {
      throw container.unknownType(name, option: "--output-type")
    }
    return type
  }

  /// What is asked for: with a target for the size, any scheme of the container whose types it is met with.
  func schemes() throws(CheckpointError) -> [QuantizationScheme] {
    if let scheme { return scheme.schemes }
    return [try size.container(destination).schemes[0]]
  }

  /// A request for each scheme; with a target for the size the scheme is chosen later.
  private func quantizations(_ inputs: ReadFiles) throws(CheckpointError) -> [QuantizationRequest] {
    let importance = try imatrix.map { (path) throws(CheckpointError) in
      try ImportanceMatrix(path: path, recordedIn: inputs)
    }
    let moments = try hessian.map { (path) throws(CheckpointError) in
      try SecondMomentFile(path: path, recordedIn: inputs)
    }
    var requests: [QuantizationRequest] = []
    for scheme in try schemes() {
      var request = QuantizationRequest(scheme)
      let container = scheme.container
      for text in tensorType { request.overrides.append(try TensorTypeOverride(text, container)) }
      request.outputType = try outputType.map { (name) throws(CheckpointError) in
        try Self.type(name, container)
      }
      request.isStrict = strict
      request.quality = quality.quality
      request.moments = moments
      if container.heedsImportance || quality != .plain { request.importance = importance }
      requests.append(request)
    }
    return requests
  }

  /// Stands for a destination that isn't given: plans don't depend on its name.
  private static let anyDestination = "quantized"

  func run() throws {
    let progress = shared.progress
    var request = try options.request(
      source, destination ?? Self.anyDestination, shared, progress)
    let inputs = request.openOptions.readFiles
    let quantizations = try quantizations(inputs)
    var quantization = quantizations[0]
    request.format = quantization.scheme.container.format
    request.settings.quantization = quantization
    let (tokens, choices) = (RecordedTokens(), RecordedChoices())
    if validatesResult {
      shared.noteSlowness()
      var validator = try validation.validator(request, standardCount: 128, progress.work)
      validator.willRun = tokens.record
      validator.labels = try labels.trial(inputs, choices)
      request.validator = validator
    }
    let choice = try size.choice(quantization, request, progress.work)
    progress.finish()
    if let choice {
      quantization = choice.request
      request.settings.quantization = quantization
      if !shared.quiet { Console.error(QuantizationText.target(choice.expectation.record)) }
    }
    if parts.part != nil {
      request.invocation = PartsInvocation(
        source: source, arguments: CommandWords.ofAllParts, expectation: choice?.expectation)
    }
    if measure, options.dryRun, let scheme {
      let page = try report.map { try ReportFile($0, besides: [source], inputs) }
      return try SchemesCommand(
        source: source, choice: scheme, page: page,
        tokens: { tokens.ids.map { ($0, validation.origin) } }
      ).run(request, quantizations, shared, progress)
    }
    let job = ConversionJob(request)
    let hasDestination = destination != nil
    let destination = destination ?? Self.anyDestination
    if let part = parts.part, !options.dryRun {
      return try AttendedPart(job, part, destination, progress, shared).finish()
    }
    if let submission = try parts.submission(
      destination, shared, options, forMerge: ["--report", "--max-rmse"])
    {
      return try submission.run(job)
    }
    let limits = QuantizationReport.Limits(
      maxKl: maxKl, maxRmse: maxRmse, maxFlips: labels.maxFlips,
      minAgreement: labels.minAgreement)
    if options.dryRun {
      let (_, plan) = try hasDestination ? job.plan() : job.planWithoutDestination()
      if validatesResult, choice == nil {
        shared.noteUnrun("; --dry-run --measure --validate runs what the scheme makes of it")
      }
      var report = QuantizationReport(plan, quantization, limits: limits)
      choice?.expectation.complete(&report, isWritten: false)
      let part = try parts.part.map { (part) throws(CheckpointError) in
        try AttendedPart.text(job, part, plan)
      }
      if shared.json {
        Console.output(document: try JSONDocument.bytes(report))
        if let part { Console.error(part) }
      } else {
        let text = QuantizationText.plan(
          report, listsTensors: tensors, evenParts: plan.evenPartCounts)
        Console.output(text + "\n" + (part.map { "\n\($0)" } ?? ""))
      }
      return
    }
    let page = try report.map { try ReportFile($0, besides: [source, destination], inputs) }
    var curve: SchemeCurve?
    if measure {
      // What is wrong with the source or the destination is said before anything is measured.
      _ = try job.plan()
      curve = try SchemeCurve(
        request, quantizations[0], isChoice: choice != nil, progress.work)
      progress.finish()
    }
    let work = try AttendedConversion(job, destination, progress, shared)
    var report = QuantizationReport(
      work.plan, quantization, work.outcome.certificate, limits: limits)
    choice?.expectation.complete(&report, isWritten: true)
    curve?.complete(&report)
    report.exceeded += labels.exceeded(choices.choices)
    if let failure = choices.failure {
      Console.error("warning: no labels were chosen: \(printable(failure))")
    }
    try page?.write(
      QuantizationPage(
        report,
        QuantizationPage.Run(
          source: source, destination: destination, command: PageCommandLine().text,
          tokens: tokens.ids.map { ($0, validation.origin) }, labels: choices.choices)
      ).html())
    if shared.json {
      Console.output(
        document: try JSONDocument.bytes(
          QuantizationDocument(
            report: report, labels: choices.choices, path: JSONDocument.path(source),
            resumedTensors: work.outcome.resumedTensorCount, seconds: work.seconds))
      )
    } else {
      Console.output(
        QuantizationText.outcome(
          report, destination, labels: choices.choices, listsSchemes: measure))
    }
    if !report.exceeded.isEmpty { throw ExitCode(1) }
    try work.outcome.certificate.requireNumbers()
  }
}

/// `quantize --json`: the report, and what may differ from run to run.
struct QuantizationDocument: Encodable {
  let report: QuantizationReport
  let labels: LabelComparison?
  let path: String
  let resumedTensors: Int
  let seconds: Double

  private struct Timing: Encodable { let seconds: Double }

  private enum CodingKeys: String, CodingKey { case labels, path, resumedTensors, timing }

  func encode(to encoder: any Encoder) throws {
    try report.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(labels, forKey: .labels)
    try container.encode(path, forKey: .path)
    try container.encode(resumedTensors, forKey: .resumedTensors)
    try container.encode(Timing(seconds: (seconds * 1000).rounded() / 1000), forKey: .timing)
  }
}

/// What `--quality` takes.
enum QualityChoice: String, ExpressibleByArgument, CaseIterable {
  case plain, best, max

  /// The library's name for it.
  var quality: QuantizationQuality {
    switch self {
    case .plain: .plain
    case .best: .best
    case .max: .max
    }
  }
}
