import ArgumentParser
import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import ReferenceForward
import TensorModel

/// `weighbridge compare`.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract:
      "Compare two checkpoints of any formats: names, shapes, bits, values, and what they compute.",
    discussion: """
      Tensors are compared under their canonical names: identical (dtype, shape and every bit), \
      equal after exact widening, equal after rounding the wider one, or by how much they differ. \
      With --forward both models run side by side on the same tokens, layer by layer; where they \
      part, the layer, the sublayer, its tensors and the known mistake that explains it are named.

      What changed is also summed up by kind of weight and by layer: how many tensors are equal, \
      how far values moved relative to what they were (the relative L2 distance), and with --rank \
      the rank of the changes, which for a merged LoRA adapter is no more than its own.

      With --labels both models choose between labels after prompts; it says how often they choose \
      the same, where not, and with right labels whether one of both is better than chance explains \
      (McNemar's exact test). It is a check of a copy, and no score for a leaderboard.

      Exit code 0: identical (or, with --equal-values, equal in value, or with --tolerance, logits \
      within it, or with --max-flips and --min-agreement, choices within them); 1: different; 2: \
      the comparison could not run.

      Examples:
        weighbridge compare gpt-j-6b gpt-j-6b.store
        weighbridge compare step_383500_slim.tar.zstd gpt-j-6b --forward
        weighbridge compare gpt-j-6b gpt-j-6b-bf16 --forward --tolerance 0.1 --json
        weighbridge compare llama llama-tuned --forward --report changes.html
        weighbridge compare base fine-tune --rank --sort change --top 10
        weighbridge compare llama llama.gguf --labels raft.jsonl --min-agreement 0.98
      """)

  @Argument(help: "A checkpoint.", completion: .file())
  var first: String

  @Argument(help: "Another checkpoint.", completion: .file())
  var second: String

  @Flag(help: "Run both models side by side, too.")
  var forward = false

  @OptionGroup var tokens: PairTokens<Lockstep>

  @Option(
    help: ArgumentHelp(
      "The first N tokens see each other: in the checkpoint that has prefix attention, or in both. By default all tokens of one that has it.",
      valueName: "n"))
  var prefix: Int?

  @Option(
    help: ArgumentHelp(
      "With --forward: the largest difference of a logit that makes the exit code 0.",
      valueName: "x"))
  var tolerance: Double?

  @Option(
    help: ArgumentHelp(
      "Write what differs to a page for a browser, too: .html.", valueName: "file"),
    completion: .file())
  var report: String?

  @OptionGroup var labelOptions: LabelOptions

  @OptionGroup var differences: DifferenceOptions

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    guard forward || (!tokens.areGiven && tolerance == nil && prefix == nil) else {
      throw ValidationError(
        "--tokens, --tokens-file, --text, --prefix and --tolerance need --forward.")
    }
    try OptionRange("--prefix", 0...1_048_576).check(prefix)
    if let tolerance, !tolerance.isFinite || tolerance < 0 {
      throw ValidationError("--tolerance must be a number, and not negative.")
    }
    try ReportFile.requirePage(report)
  }

  func run() throws {
    let progress = shared.progress
    var options = try shared.openOptions(first, progress)
    options.replacesConfiguration = false
    let page = try self.report.map {
      try ReportFile($0, besides: [first, second], options.readFiles)
    }
    let one = try Source(first, options)
    options.progress = progress.unpacking(second)
    let sources = (one, try Source(second, options))
    try options.bases?.requireUsed()
    progress.finish()
    let log = FindingLog(quiet: shared.quiet)
    var findings: [Finding] = []
    for source in [sources.0, sources.1] {
      let model = try source.model()
      for finding in model.findings + model.problems.map({ $0.finding(.warning) }) {
        log.report(finding.of(source.path))
        findings.append(finding.of(JSONDocument.path(source.path)))
      }
    }
    for difference in try ConfigurationDifference.between(sources.0, sources.1) {
      let finding = Finding(.warning, "configuration-differs", difference.text)
      log.report(finding.of(sources.0.path))
      findings.append(finding.of(JSONDocument.path(sources.0.path)))
    }
    log.finish("weighbridge verify")
    if differences.rank { shared.noteSlowness(of: "finding ranks") }
    let comparison = try CheckpointComparison(
      sources.0, sources.1, shared.resources, findsRanks: differences.rank,
      progress: progress.work)
    progress.finish()
    var report = ComparisonReport(comparison, differences.selection, first, second)
    let recorded = RecordedTokens()
    if forward {
      report.forward = try lockstep(sources, comparison, options.readFiles, recorded, progress)
    }
    report.labels = try labelOptions.comparison(sources, shared, options.readFiles, progress)
    if let labels = report.labels, !labelOptions.limits.areNone {
      report.gate = ComparisonReport.Gate(
        limits: labelOptions.limits, exceeded: labelOptions.exceeded(labels))
    }
    for source in [sources.0, sources.1] { try source.confirm() }
    try page?.write(
      ComparisonPage(
        report,
        ComparisonPage.Run(
          first: first, second: second, command: PageCommandLine().text, findings: findings,
          tolerance: tolerance,
          tokens: recorded.ids.map { ($0, tokens.origin) },
          labels: report.labels)
      ).html())
    if shared.json {
      Console.output(document: try JSONDocument.bytes(report))
    } else {
      Console.output(ComparisonText(report).lines.joined(separator: "\n") + "\n")
    }
    if let forward = report.forward, !forward.computesNumbers {
      Console.error(ForwardReport.noNumbersError)
      throw ExitCode(1)
    }
    if let gate = report.gate {
      for excess in gate.exceeded {
        Console.error("\(Paint.text("EXCEEDED", .error)): \(QuantizationText.excess(excess))")
      }
      if !gate.exceeded.isEmpty { throw ExitCode(1) }
      // Differences of weights are what is looked at then, unless logits have a limit, too.
      guard tolerance != nil else { return }
    }
    if let tolerance, let forward = report.forward {
      if !(forward.maxAbsLogitDifference <= tolerance) { throw ExitCode(1) }
    } else if !report.isFine || report.forward?.firstDivergence != nil {
      throw ExitCode(1)
    }
  }

  /// Where only one of both has prefix attention, the other runs causally: so it shows what giving it up costs.
  private func prefixes(_ first: Decoder, _ second: Decoder) -> (Int, Int) {
    guard first.attention != second.attention else {
      return (first.prefix(prefix), second.prefix(prefix))
    }
    return first.attention == .prefix ? (first.prefix(prefix), 0) : (0, second.prefix(prefix))
  }

  private func windows(
    _ sources: (Source, Source), _ decoders: (Decoder, Decoder), _ inputs: ReadFiles
  ) throws(CheckpointError) -> TokenWindows {
    let limit = [decoders.0, decoders.1].compactMap(\.configuration.positionLimit).min()
    if let text = tokens.text {
      let file = try TextFile(text, inputs)
      do throws(CheckpointError) {
        return try file.windows(sources.0, positionLimit: limit, tokens.windows)
      } catch {
        guard error.code == .missing else { throw error }
        return try file.windows(sources.1, positionLimit: limit, tokens.windows)
      }
    }
    let row =
      try tokens.row(inputs)
      ?? ForwardComparison.standardTokens(
        min(32, limit ?? 32), vocabulary: decoders.0.configuration.dimensions.vocabulary)
    return TokenWindows(rows: [row], length: max(1, row.count))
  }

  private func lockstep(
    _ sources: (Source, Source), _ comparison: CheckpointComparison, _ inputs: ReadFiles,
    _ recorded: RecordedTokens, _ progress: ProgressLine
  ) throws(CheckpointError) -> ForwardComparison {
    let resources = shared.resources(standardMemory: Processors.halfOfMemory)
    let decoders = (
      try Decoder(sources.0, resources), try Decoder(sources.1, resources)
    )
    shared.noteSlowness()
    progress.begin(
      "running both models", decoders.0.configuration.dimensions.layers, .layers)
    defer { progress.finish() }
    let windows = try windows(sources, decoders, inputs)
    recorded.record(windows.rows.flatMap(\.self))
    return try ForwardComparison(
      decoders.0, decoders.1, windows: windows,
      prefixes: prefixes(decoders.0, decoders.1),
      differences: comparison.differences
    ) { _ in progress.add(1) }
  }
}

extension Finding {
  /// The same, of one of two checkpoints.
  fileprivate func of(_ path: String) -> Finding {
    Finding(severity, check, message, file: file.map { "\(path): \($0)" } ?? path, tensor: tensor)
  }
}
