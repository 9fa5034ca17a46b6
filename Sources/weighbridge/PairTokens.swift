import ArgumentParser
import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorModel

/// Why a command runs two checkpoints side by side: what the help of its tokens says.
protocol PairRun {
  /// The option that asks for it.
  static var option: String { get }
  /// How many tokens there are by default.
  static var standardTokens: String { get }
  /// Whose tokenizer cuts a text.
  static var tokenizer: String { get }
  /// What has so many positions.
  static var positions: String { get }
}

/// Source and result, with `--validate`.
enum Validation: PairRun {
  static let option = "--validate"
  static let standardTokens =
    "fixed ones, 32 (quantize: 128) or as many as the model has positions"
  static let tokenizer = "the source's tokenizer"
  static let positions = "the model has"
}

/// Both checkpoints of `compare`, with `--forward`.
enum Lockstep: PairRun {
  static let option = "--forward"
  static let standardTokens = "32 fixed ones"
  static let tokenizer = "the first checkpoint's tokenizer, or the second's"
  static let positions = "both models have"
}

/// The tokens that two checkpoints run on.
struct PairTokens<Run: PairRun>: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Token ids for \(Run.option), separated by commas; by default \(Run.standardTokens).",
      valueName: "ids"))
  var tokens: String?

  @Option(
    help: ArgumentHelp(
      "Token ids for \(Run.option) from a numpy array or JSON.", valueName: "file"),
    completion: .file())
  var tokensFile: String?

  @Option(
    help: ArgumentHelp(
      "A text in UTF-8 for \(Run.option), cut into tokens by \(Run.tokenizer): its first 512 tokens, or as many as \(Run.positions) positions.",
      valueName: "file"), completion: .file())
  var text: String?

  @OptionGroup var windows: WindowOptions

  /// Whether any are given.
  var areGiven: Bool {
    tokens != nil || tokensFile != nil || text != nil || windows.areGiven
  }

  /// Where they are from, in words; of options that weren't given: from nowhere but a fixed sequence.
  var origin: String {
    if tokens != nil { return "given by --tokens" }
    if let tokensFile { return "from \(JSONDocument.path(tokensFile))" }
    if let text { return "the beginning of \(JSONDocument.path(text)), cut by the tokenizer" }
    return "fixed ones from all over the vocabulary, the same in every run"
  }

  func validate() throws {
    if [tokens, tokensFile, text].count(where: { $0 != nil }) > 1 {
      throw ValidationError("Give one of --tokens, --tokens-file and --text, not several.")
    }
    if windows.areGiven && text == nil {
      throw ValidationError("--window and --chunks are for --text.")
    }
  }

  /// The row of ids that is given; nil if there is none.
  ///
  /// - Parameter inputs: takes in the file.
  /// - Returns: the row.
  /// - Throws: `usage` for several rows, and for anything but ids.
  func row(_ inputs: ReadFiles) throws(CheckpointError) -> [Int]? {
    try TokenArguments(tokens: tokens, file: tokensFile, inputs: inputs).row
  }
}

extension PairTokens<Validation> {
  /// What runs them.
  ///
  /// - Throws: `usage` for tokens and texts that are none; `missing` or `inputOutput`.
  func validator(
    _ request: ConversionRequest, standardCount: Int, _ progress: WorkProgress
  ) throws(CheckpointError) -> ForwardValidator {
    if let text {
      let file = try TextFile(text, request.openOptions.readFiles)
      return ForwardValidator(request.resources, progress: progress) {
        (source, positionLimit) throws(CheckpointError) in
        try file.windows(source, positionLimit: positionLimit, windows)
      }
    }
    return ForwardValidator(
      request.resources, tokens: try row(request.openOptions.readFiles),
      standardCount: standardCount, progress: progress)
  }
}
