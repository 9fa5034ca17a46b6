import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import Importance
import ModelArchitectures
import Quantization
import ReferenceForward
import TensorEvaluation
import TensorModel

/// `weighbridge importance`.
struct ImportanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "importance",
    abstract: "Measure which columns of a model's weights matter: an importance matrix.",
    discussion: """
      Runs the model on a text and sums up, for every column of every linear layer, the squares of \
      what it is multiplied with. The result is a file as llama-imatrix writes it: quantize \
      --imatrix takes it, and llama-quantize does. Sums are f64 over activations in f32, and the \
      file is the same with any number of threads.

      A text is cut into windows as llama-imatrix cuts it: they follow each other, each begins \
      with the token that the tokenizer puts before texts, and what doesn't fill the last one is \
      left out. Rows of a file of tokens are run as they are, and cut where they are longer than a \
      window.

      Of a mixture each expert has sums and a count of its own. An expert that fewer than 32 \
      tokens came to gets the mean of its layer for the missing ones.

      With --hessian also how the inputs of a layer go together: the mean over tokens of x[i] x[j], \
      a matrix for each input, in a file of its own. quantize --quality max takes it. All windows \
      go through one layer before any is in the next, so that memory holds the matrices of one \
      layer; the file has 4 bytes for each of their elements.

      Examples:
        weighbridge importance llama --text calibration.txt \\
            --output llama.imatrix.gguf
        weighbridge importance llama --text calibration.txt \\
            --hessian llama.moments.safetensors
        weighbridge importance llama --text more.txt --merge llama.imatrix.gguf \\
            --output both.gguf
        weighbridge quantize llama llama.gguf --scheme q4_k_m \\
            --imatrix llama.imatrix.gguf
      """)

  @Argument(help: "The checkpoint to run.", completion: .file())
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      "Token ids from a numpy array (int32 or int64, [tokens] or [rows, tokens]) or JSON.",
      valueName: "file"), completion: .file())
  var tokensFile: String?

  @Option(
    help: ArgumentHelp(
      "A text in UTF-8, cut into tokens by the checkpoint's own tokenizer.", valueName: "file"),
    completion: .file())
  var text: String?

  @Option(help: ArgumentHelp("Where to write the matrix: GGUF.", valueName: "file"))
  var output: String?

  @Option(
    help: ArgumentHelp(
      "Where to write the second moments of layers' inputs: safetensors.", valueName: "file"))
  var hessian: String?

  @Option(
    help: ArgumentHelp(
      "An importance matrix of the same model, whose sums are added; may be repeated.",
      valueName: "file"), completion: .file())
  var merge: [String] = []

  @Option(
    help: ArgumentHelp(
      "Tokens of a window; by default as many as the model has positions, at most 2048.",
      valueName: "n"))
  var window: Int?

  @Option(help: ArgumentHelp("The most windows that are run; by default all.", valueName: "n"))
  var chunks: Int?

  @Flag(
    help:
      "Measure what makes the logits, too: output.weight, or token_embd.weight where that is the head."
  )
  var processOutput = false

  @Option(
    help: ArgumentHelp(
      "A directory with the tokenizer's files, where the checkpoint has none.", valueName: "dir"),
    completion: .directory)
  var assets: String?

  @Option(
    help: ArgumentHelp(
      "The first N tokens of a window see each other; 0 is causal. By default what the checkpoint says: none, or with prefix attention all.",
      valueName: "n"))
  var prefix: Int?

  @Flag(help: "Go on with an interrupted run.")
  var resume = false

  @Flag(
    help:
      "Replace existing outputs of their kinds, and discard unfinished work for it (with --resume: go on with that)."
  )
  var force = false

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    if [tokensFile, text].count(where: { $0 != nil }) != 1 {
      throw ValidationError("Give the tokens by one of --tokens-file and --text.")
    }
    guard output != nil || hessian != nil else {
      throw ValidationError("Give --output, --hessian or both.")
    }
    guard output != nil || merge.isEmpty else {
      throw ValidationError("--merge needs --output: second moments aren't merged.")
    }
    guard hessian == nil || !resume else {
      throw ValidationError(
        "--resume is for runs without --hessian, because second moments are written at the end alone: begin again without --resume, or give --output a run of its own, which can be resumed."
      )
    }
    if let output, let hessian, Directories.resolved(output) == Directories.resolved(hessian) {
      throw ValidationError(
        "--output and --hessian would be one file: give each a file of its own.")
    }
    for (name, path, title, ending, other) in [
      ("--output", output, "GGUF", ".gguf", ".safetensors"),
      ("--hessian", hessian, "safetensors", ".safetensors", ".gguf"),
    ] where path?.lowercased().hasSuffix(other) ?? false {
      throw ValidationError("\(name) writes \(title): give it a name that ends in \(ending).")
    }
    try OptionRange("--window", 2...1_048_576).check(window)
    try OptionRange("--chunks", 1...1_000_000_000).check(chunks)
    try OptionRange("--prefix", 0...1_048_576).check(prefix)
  }

  func run() throws {
    do { try measure() } catch let error as CheckpointError where error.code == .interrupted {
      throw error.resumable(output.map(ImportanceState.path))
    }
  }

  private func measure() throws {
    let progress = shared.progress
    var options = try shared.openOptions(checkpoint, progress)
    options.assetsDirectory = assets
    // What an interrupted run has left, which only the matrix has.
    let statePath = output.map(ImportanceState.path)
    for path in [output, hessian].compactMap({ $0 }) { try requireFree(path) }
    if let statePath {
      try ImportanceState.requireOwn(statePath)
      try requireResumable(statePath)
    }
    let source = RestoredTokenizer.added(to: try Source(checkpoint, options))
    try options.bases?.requireUsed()
    progress.finish()
    var merged: [ImportanceSums] = []
    for path in merge {
      merged.append(try ImportanceSums(path: path, recordedIn: options.readFiles))
    }
    let resources = shared.resources(standardMemory: Processors.halfOfMemory)
    let run = try ImportanceRun(
      source, resources, includesHead: processOutput, includesMoments: hessian != nil)
    let windows = try windows(source, run.decoder, options.readFiles)
    let plan = ImportancePlan(
      source, windows, prefix: run.decoder.prefix(prefix), includesHead: processOutput)
    // Opened first, so that a place that can't be written to is found out before the work.
    let file = try output.map { (path) throws(CheckpointError) in
      try SingleOutput(
        path, ImportanceState.kind, replaces: force, besides: options.readFiles)
    }
    try file?.requireAlone()
    let moments = try hessian.map { (path) throws(CheckpointError) in
      try SecondMomentOutput(
        path, replaces: force, besides: options.readFiles,
        layers: run.decoder.configuration.dimensions.layers)
    }
    let state = try statePath.flatMap { (path) throws(CheckpointError) in
      try earlierWork(path, plan, windows)
    }
    let log = FindingLog(quiet: shared.quiet)
    let own = try source.checkpoint.findings + source.model().findings
    for finding in own + run.decoder.weights.findings { log.report(finding) }
    shared.noteSlowness()
    var report = ImportanceReport(
      checkpoint, run.decoder, windows, prefix: run.decoder.prefix(prefix))
    let start = Date()
    progress.begin("running", windows.tokenCount, .tokens)
    if let moments {
      try run.measure(
        windows, prefix: run.decoder.prefix(prefix), directory: options.temporaryDirectory,
        into: moments, progress: progress.add)
    } else {
      try run.measure(
        windows, prefix: run.decoder.prefix(prefix), from: state, progress: progress.add
      ) { state throws(CheckpointError) in
        guard let statePath else { return }
        try source.confirm()
        try state.write(to: statePath, plan: plan.digest, besides: options.readFiles)
      }
    }
    progress.finish()
    try source.confirm()
    var sums = try run.sums()
    sums.datasets = [JSONDocument.path(tokensFile ?? text ?? "")]
    sums.chunkCount = windows.rows.count
    sums.chunkSize = windows.length
    for (path, other) in zip(merge, merged) {
      do throws(CheckpointError) { try sums.add(other) } catch { throw error.in(file: path) }
    }
    let prior = ExpertPrior(sums)
    if let file {
      try ImportanceFile(prior).write(to: file.file)
      try file.finish()
    }
    try moments?.finish(tokenCount: windows.tokenCount, datasets: sums.datasets)
    if let statePath {
      try ImportanceState.requireOwn(statePath)
      try Directories.removeTree(statePath)
    }
    report.timing.seconds = (Date().timeIntervalSince(start) * 1000).rounded() / 1000
    report.take(prior)
    if let moments, let hessian {
      report.take(
        moments, try Digest(ofFile: InputFile(path: hessian)),
        hasExperts: run.hasExpertsWithoutMoments)
    }
    for finding in report.findings { log.report(finding) }
    report.digest = try output.map { (path) throws(CheckpointError) in
      try Digest(ofFile: InputFile(path: path))
    }
    if shared.json {
      Console.output(document: try JSONDocument.bytes(report))
    } else {
      Console.output(report.text(checkpoint, bases: shared.base, output, hessian) + "\n")
    }
  }

  /// Stops at an output that is there, unless it may be replaced: a matrix, and no other GGUF file.
  private func requireFree(_ path: String) throws(CheckpointError) {
    guard let kind = FileKind(ofEntry: path) else { return }
    if force {
      // What is no GGUF file at all is refused where the output is opened.
      guard kind == .file,
        let header = try ifUsable({ () throws(CheckpointError) in
          try GGUFHeader(InputFile(path: path).region)
        }), header[ImportanceSums.Key.type]?.text != ImportanceSums.Key.typeValue
      else { return }
      throw CheckpointError(
        .conflict, "not replaced: it is no importance matrix", file: path,
        expected: "general.type \(ImportanceSums.Key.typeValue)",
        found: header[ImportanceSums.Key.type]?.text ?? "none",
        hint: "name another file for the output, or remove this one by hand")
    }
    throw CheckpointError(
      .conflict, "is there already", file: path,
      hint: "name another file for the output, or replace this one with --force")
  }

  /// Stops at unfinished work that is neither to be taken up nor discarded.
  private func requireResumable(_ path: String) throws(CheckpointError) {
    guard FileKind(ofEntry: path) != nil, !resume, !force else { return }
    throw CheckpointError(
      .conflict, "an unfinished run for this output is there", file: path,
      hint: "go on with it by --resume, or discard it with --force")
  }

  /// What an interrupted run has left, if it is to be taken up.
  private func earlierWork(
    _ path: String, _ plan: ImportancePlan, _ windows: TokenWindows
  ) throws(CheckpointError) -> ImportanceState? {
    guard resume, FileKind(ofEntry: path) != nil else { return nil }
    return try ImportanceState(path: path, plan: plan.digest, windowCount: windows.rows.count)
  }

  private func windows(
    _ source: Source, _ decoder: Decoder, _ inputs: ReadFiles
  ) throws(CheckpointError) -> TokenWindows {
    let limit = decoder.configuration.positionLimit
    let length = window ?? min(limit ?? Self.largestWindow, Self.largestWindow)
    guard limit.map({ length <= $0 }) ?? true else {
      throw CheckpointError(
        .usage, "--window is longer than what the model was made for",
        expected: "at most \(limit ?? 0)", found: "\(length)")
    }
    var windows: TokenWindows
    if let text {
      windows = try TextFile(text, inputs).windows(source, length: length, limit: chunks)
    } else {
      let rows = try TokenArguments(tokens: nil, file: tokensFile, inputs: inputs).rows() ?? []
      windows = TokenWindows(rows: rows, length: length)
      if let chunks {
        windows = TokenWindows(rows: Array(windows.rows.prefix(chunks)), length: length)
      }
    }
    try windows.requireTokens(of: decoder, checkpoint)
    return windows
  }

  /// Scores of longer windows take more time than everything else.
  private static let largestWindow = 2048
}

extension CheckpointError {
  /// An interruption that says how to go on, where work is kept.
  fileprivate func resumable(_ statePath: String?) -> CheckpointError {
    guard let statePath, FileKind(ofEntry: statePath) != nil else { return self }
    var copy = self
    copy.hint = "repeat the command with --resume to go on, or with --force to begin again"
    return copy
  }
}
