import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import ReferenceForward
import TensorEvaluation
import TensorModel
import Tokenization

/// `weighbridge forward`.
struct ForwardCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Run a checkpoint on tokens: logits, likeliest next tokens, perplexity, greedy text.",
    discussion: """
      Runs a model of a known family from any format, without conversion, layer by layer in the \
      memory of one layer, in f32. It is there to check weights, not to serve them. Families: \
      \(Architectures.all.map(\.name).joined(separator: ", ")).

      Examples:
        weighbridge forward gpt-j-6b --tokens 15496,11,995
        weighbridge forward step_383500_slim.tar.zstd \\
            --tokens-file tokens.npy --logits logits.npy
        weighbridge forward gpt-j-6b.store --tokens-file text.npy \\
            --perplexity --window 1024
        weighbridge forward gpt-j-6b --prompt 'Weights are' --generate 20
        weighbridge forward gpt-j-6b --text book.txt --perplexity
      """)

  @Argument(help: "The checkpoint to run.", completion: .file())
  var checkpoint: String

  @Option(help: ArgumentHelp("Token ids, separated by commas.", valueName: "ids"))
  var tokens: String?

  @Option(
    help: ArgumentHelp(
      "Token ids from a numpy array (int32 or int64, [tokens] or [rows, tokens]) or JSON.",
      valueName: "file"), completion: .file())
  var tokensFile: String?

  @Option(
    help: ArgumentHelp(
      "A text, cut into tokens by the checkpoint's own tokenizer: BPE of bytes, or SentencePiece's BPE or Unigram.",
      valueName: "text"))
  var prompt: String?

  @Option(
    help: ArgumentHelp(
      "A file in UTF-8 that holds such a text; without --perplexity and --generate, a long one is run in rows of as many tokens as the model has positions.",
      valueName: "file"), completion: .file())
  var text: String?

  @Option(
    help: ArgumentHelp(
      "A directory with the tokenizer's files, where the checkpoint has none.", valueName: "dir"),
    completion: .directory)
  var assets: String?

  @Option(
    help: ArgumentHelp(
      "The first N tokens see each other, as GPT-JT was trained; 0 is causal. By default what the checkpoint says: none, or with prefix attention the whole prompt.",
      valueName: "n"))
  var prefix: Int?

  @Option(
    help: ArgumentHelp(
      "Write all logits as a numpy array: f32 [tokens, vocabulary], or [rows, tokens, vocabulary].",
      valueName: "file"), completion: .file())
  var logits: String?

  @Option(help: ArgumentHelp("How many of the likeliest next tokens are shown.", valueName: "n"))
  var top = 5

  @Flag(help: "Measure the mean negative log-likelihood of the tokens instead.")
  var perplexity = false

  @Option(
    help: ArgumentHelp(
      "Tokens at a time for --perplexity; by default as many as the model was made for, of a text at most 512, as llama-perplexity has it.",
      valueName: "n"))
  var window: Int?

  @Option(
    help: ArgumentHelp(
      "With --perplexity and --text: begin a window every N tokens, and predict the last N of each.",
      valueName: "n"))
  var stride: Int?

  @Option(
    help: ArgumentHelp(
      "With --perplexity and --text: the most windows; by default all.", valueName: "n"))
  var chunks: Int?

  @Option(help: ArgumentHelp("Generate N tokens, taking the likeliest each time.", valueName: "n"))
  var generate: Int?

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if [tokens, tokensFile, prompt, text].count(where: { $0 != nil }) != 1 {
      throw ValidationError(
        "Give the tokens by one of --tokens, --tokens-file, --prompt and --text.")
    }
    try OptionRange("--prefix", 0...1_048_576).check(prefix)
    try OptionRange("--top", 0...1_048_576).check(top)
    if perplexity && prefix ?? 0 > 0 {
      throw ValidationError(
        "--perplexity is causal: tokens that see what follows aren't predicted.")
    }
    try OptionRange("--window", 2...1_048_576).check(window)
    try OptionRange("--generate", 1...100_000).check(generate)
    try OptionRange("--stride", 1...1_048_576).check(stride)
    try OptionRange("--chunks", 1...1_000_000_000).check(chunks)
    if (stride != nil || chunks != nil) && !(perplexity && text != nil) {
      throw ValidationError("--stride and --chunks are for --perplexity of a --text.")
    }
    if perplexity && (generate != nil || logits != nil) {
      throw ValidationError("--perplexity goes without --generate and --logits.")
    }
  }

  func run() throws {
    let progress = shared.progress
    var options = try shared.openOptions(checkpoint, progress)
    options.assetsDirectory = assets
    let source = RestoredTokenizer.added(to: try Source(checkpoint, options))
    try options.bases?.requireUsed()
    progress.finish()
    // Without a prompt, a tokenizer only makes the results readable.
    let tokenizer =
      prompt == nil
      ? try ifUsable { () throws(CheckpointError) in
        try Tokenizer(assets: source.checkpoint.assets)
      } : try Tokenizer(assets: source.checkpoint.assets)
    var rows =
      try TokenArguments(tokens: tokens, file: tokensFile, inputs: options.readFiles).rows() ?? []
    if let prompt, let tokenizer { rows = [try tokenizer.encode(prompt)] }
    let file = try text.map { (path) throws(CheckpointError) in
      try TextFile(path, options.readFiles)
    }
    if let file { rows = [try file.tokens(source)] }
    guard !rows.isEmpty, rows.allSatisfy({ !$0.isEmpty }) else {
      throw CheckpointError(.usage, "there are no tokens to run")
    }
    let decoder = try Decoder(
      source, shared.resources(standardMemory: Processors.halfOfMemory),
      keepsWeights: generate != nil)
    if file != nil || prompt != nil { try requireTokens(rows[0], of: decoder) }
    if file != nil, !perplexity, generate == nil, let limit = decoder.configuration.positionLimit {
      let row = rows[0]
      rows = Swift.stride(from: 0, to: row.count, by: limit).map {
        Array(row[$0..<min($0 + limit, row.count)])
      }
    }
    let findings =
      try source.checkpoint.findings + source.model().findings + decoder.weights.findings
    if !shared.quiet {
      let log = FindingLog(quiet: false)
      findings.forEach(log.report)
      log.finish("weighbridge verify")
    }
    shared.noteSlowness()
    warn(rows, of: decoder)
    if perplexity && decoder.attention == .prefix {
      Console.error(
        "warning: perplexity is measured causally, although the model has prefix attention")
    }
    var report = ForwardReport(
      checkpoint, decoder.configuration, rows: rows,
      prefix: perplexity ? 0 : decoder.prefix(prefix), tokenizer)
    let start = Date()
    var computesNumbers = true
    if perplexity {
      let windows = try windows(decoder, rows, file, source)
      let measured = try measure(decoder, windows, progress)
      report.perplexity = .init(measured, windows)
      computesNumbers = measured.meanNegativeLogLikelihood.isFinite
    } else if let generate {
      (report.generated, computesNumbers) = try continued(decoder, rows, generate, progress)
    } else {
      (report.top, computesNumbers) = try onePass(decoder, rows, options.readFiles, progress)
    }
    try source.confirm()
    if !computesNumbers { report.reason = ForwardReport.noNumbers }
    report.timing.seconds = (Date().timeIntervalSince(start) * 1000).rounded() / 1000
    if shared.json {
      Console.output(document: try JSONDocument.bytes(report))
    } else {
      Console.output(report.text + "\n")
    }
    if !computesNumbers {
      Console.error(
        ForwardReport.noNumbersError
      )
      throw ExitCode(1)
    }
  }

  /// Positions that can be computed may still be more than the model has learnt.
  private func warn(_ rows: [[Int]], of decoder: Decoder) {
    guard !perplexity, let limit = decoder.configuration.positionLimit,
      let longest = rows.map(\.count).max(), longest > limit
    else { return }
    Console.error(
      "warning: a row has \(grouped(longest)) tokens, and the model was made for \(grouped(limit)) positions"
    )
  }

  /// Stops at a tokenizer that isn't the model's.
  private func requireTokens(_ row: [Int], of decoder: Decoder) throws(CheckpointError) {
    let count = decoder.configuration.dimensions.vocabulary
    guard let first = row.first(where: { $0 >= count }) else { return }
    throw CheckpointError(
      .malformed, "the tokenizer has more tokens than the model", file: checkpoint,
      expected: "tokens below \(count)", found: "\(first)",
      hint: "does the tokenizer belong to the model?")
  }

  /// All logits in one pass; the likeliest next tokens of each row.
  private func onePass(
    _ decoder: Decoder, _ rows: [[Int]], _ inputs: ReadFiles, _ progress: ProgressLine
  ) throws(CheckpointError) -> (top: [[ForwardReport.Candidate]], areNumbers: Bool) {
    let vocabulary = decoder.configuration.dimensions.vocabulary
    var output: LogitsFile?
    if let logits {
      guard Set(rows.map(\.count)).count == 1 else {
        throw CheckpointError(.usage, "--logits needs rows of equal length", file: tokensFile)
      }
      output = try LogitsFile(
        logits, rows: rows.count, length: rows[0].count, vocabulary: vocabulary,
        besides: inputs)
    }
    let windows = TokenWindows(rows: rows, length: rows.map(\.count).max() ?? 1)
    let run = WindowedRun(
      decoder, windows, prefix: decoder.prefix(prefix),
      memory: shared.resources(standardMemory: Processors.halfOfMemory).memory / 4)
    progress.begin("running", windows.tokenCount, .tokens)
    defer { progress.finish() }
    let block = FloatBuffer()
    var candidates: [[ForwardReport.Candidate]] = []
    var areNumbers = true
    try run.forEachWave(progress: progress.add) { batches throws(CheckpointError) in
      for state in batches.map(\.state) {
        for sequence in state.sequences.all {
          let end = sequence.firstRow + sequence.count
          let first = output == nil ? end - 1 : sequence.firstRow
          for start in Swift.stride(from: first, to: end, by: 256) {
            let part = start..<min(end, start + 256)
            try decoder.logits(state, part, into: block)
            try output?.append(block, count: part.count * vocabulary)
            areNumbers =
              areNumbers && LogitRow(block.base, count: part.count * vocabulary).areNumbers
            if part.upperBound == end {
              let last = LogitRow(block.base + (part.count - 1) * vocabulary, count: vocabulary)
              candidates.append(last.top(top).map(ForwardReport.Candidate.init))
            }
          }
        }
      }
    }
    try output?.finish()
    return (candidates, areNumbers)
  }

  /// What perplexity is measured on: a text as llama-perplexity cuts it, rows of tokens as they are.
  private func windows(
    _ decoder: Decoder, _ rows: [[Int]], _ file: TextFile?, _ source: Source
  ) throws(CheckpointError) -> TokenWindows {
    let limit = decoder.configuration.positionLimit
    guard let file else {
      return TokenWindows(rows: rows, length: window ?? limit ?? 2048)
    }
    let length = window ?? min(limit ?? .max, TextFile.standardCount)
    guard stride.map({ $0 < length }) ?? true else {
      throw CheckpointError(
        .usage, "--stride must be less than a window", expected: "below \(length)",
        found: "\(stride ?? 0)")
    }
    let windows = try file.windows(source, length: length, stride: stride, limit: chunks)
    if windows.contextCount == 1, !shared.quiet {
      Console.error(
        "note: the text has fewer than two windows of \(length) tokens: all tokens but the first are predicted, where llama-perplexity would refuse it"
      )
    }
    return windows
  }

  private func measure(
    _ decoder: Decoder, _ windows: TokenWindows, _ progress: ProgressLine
  ) throws(CheckpointError) -> Perplexity {
    progress.begin("measuring", windows.tokenCount, .tokens)
    defer { progress.finish() }
    return try Perplexity.measure(
      decoder, windows,
      memory: shared.resources(standardMemory: Processors.halfOfMemory).memory / 4,
      progress: progress.add)
  }

  private func continued(
    _ decoder: Decoder, _ rows: [[Int]], _ count: Int, _ progress: ProgressLine
  ) throws(CheckpointError) -> (tokens: [Int], areByNumbers: Bool) {
    guard rows.count == 1 else {
      throw CheckpointError(
        .usage, "--generate continues one row of tokens", found: "\(rows.count) rows")
    }
    progress.begin("generating", count, .tokens)
    defer { progress.finish() }
    return try Generation(decoder).tokens(
      after: rows[0], count, prefix: decoder.prefix(prefix)
    ) { _ in progress.add(1) }
  }
}
