import ArgumentParser
import TensorModel

/// How much of a text is run where two checkpoints run side by side.
struct WindowOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "With --text: tokens of a window; windows are cut and counted as llama-perplexity does it.",
      valueName: "n"))
  var window: Int?

  @Option(
    help: ArgumentHelp(
      "With --text: the most windows; without --window and --chunks the first 512 tokens are run, and all count.",
      valueName: "n"))
  var chunks: Int?

  /// Whether windows were asked for.
  var areGiven: Bool { window != nil || chunks != nil }

  func validate() throws {
    try OptionRange("--window", 2...1_048_576).check(window)
    try OptionRange("--chunks", 1...1_000_000_000).check(chunks)
  }

  /// The length that was asked for.
  ///
  /// - Throws: `usage` where the model has fewer positions.
  func length(atMost limit: Int?) throws(CheckpointError) -> Int? {
    guard let window, let limit, window > limit else { return window }
    throw CheckpointError(
      .usage, "--window is longer than what the model was made for", expected: "at most \(limit)",
      found: "\(window)")
  }
}
