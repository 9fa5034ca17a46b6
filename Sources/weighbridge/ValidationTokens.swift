import ArgumentParser
import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import TensorModel

/// The tokens that source and result of a conversion run on with `--validate`.
struct ValidationTokens: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Token ids for --validate, separated by commas; by default fixed ones, 32 (quantize: 128) or as many as the model has positions.",
      valueName: "ids"))
  var tokens: String?

  @Option(
    help: ArgumentHelp("Token ids for --validate from a numpy array or JSON.", valueName: "file"),
    completion: .file())
  var tokensFile: String?

  @Option(
    help: ArgumentHelp(
      "A text in UTF-8 for --validate, cut into tokens by the source's tokenizer: its first 512, or as many as the model has positions.",
      valueName: "file"), completion: .file())
  var text: String?

  @OptionGroup var windows: WindowOptions

  /// Whether any are given.
  var areGiven: Bool {
    tokens != nil || tokensFile != nil || text != nil || windows.areGiven
  }

  /// Where they are from, in words.
  var origin: String {
    TokenArguments.origin(tokens, tokensFile, text)
  }

  func validate() throws {
    try TokenArguments.requireOne(tokens, tokensFile, text)
    try windows.require(text)
  }

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
      request.resources,
      tokens: try TokenArguments(
        tokens: tokens, file: tokensFile, inputs: request.openOptions.readFiles
      ).row,
      standardCount: standardCount, progress: progress)
  }
}
