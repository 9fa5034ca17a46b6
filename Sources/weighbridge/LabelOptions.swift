import ArgumentParser
import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import FileContainers
import ModelArchitectures
import ReferenceForward
import TensorEvaluation
import TensorModel
import Tokenization

/// `compare --labels`: whether two models choose the same labels.
struct LabelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Let both models choose between labels after prompts, and say where they differ: JSON Lines of {\"prompt\", \"labels\", \"gold\"?, \"prefix\"?}, cut into tokens by the first checkpoint's tokenizer, or the second's.",
      valueName: "file"), completion: .file())
  var labels: String?

  @Option(
    help: ArgumentHelp(
      "With --labels: how many choices may differ for the exit code to be 0.", valueName: "n"))
  var maxFlips: Int?

  @Option(
    help: ArgumentHelp(
      "With --labels: the least share of equal choices, 0 to 1, that makes the exit code 0.",
      valueName: "x"))
  var minAgreement: Double?

  func validate() throws {
    guard labels != nil || (maxFlips == nil && minAgreement == nil) else {
      throw ValidationError("--max-flips and --min-agreement need --labels.")
    }
    try OptionRange("--max-flips", 0...1_000_000_000).check(maxFlips)
    if let minAgreement, !(0...1).contains(minAgreement) {
      throw ValidationError("--min-agreement must be from 0 to 1.")
    }
  }

  /// Whether a limit decides on the exit code.
  var areGates: Bool { maxFlips != nil || minAgreement != nil }

  /// Which limits a comparison exceeds, in words.
  func exceeded(_ comparison: LabelComparison) -> [String] {
    var exceeded: [String] = []
    let choices = comparison.bySum
    if let maxFlips, choices.flips.count > maxFlips {
      exceeded.append(
        "\(counted(choices.flips.count, "choice")) differ, --max-flips allows \(maxFlips)")
    }
    if let minAgreement, choices.agreement < minAgreement {
      exceeded.append(
        "agreement is \(threeDigits(choices.agreement)), --min-agreement asks for \(threeDigits(minAgreement))"
      )
    }
    return exceeded
  }

  /// Runs both models, if labels are given.
  ///
  /// - Parameters:
  ///   - sources: both checkpoints.
  ///   - shared: memory and threads.
  ///   - inputs: takes the file in.
  ///   - progress: the line that shows how far it has come.
  /// - Returns: what they choose; nil without labels.
  /// - Throws: `usage` for what is wrong with the file; what running throws.
  func comparison(
    _ sources: (Source, Source), _ shared: SharedOptions, _ inputs: ReadFiles,
    _ progress: ProgressLine
  ) throws(CheckpointError) -> LabelComparison? {
    guard let labels else { return nil }
    let prompts = try LabelledPrompt.all(at: labels, recordedIn: inputs)
    let resources = shared.resources(standardMemory: Processors.halfOfMemory)
    let decoders = (try Decoder(sources.0, resources), try Decoder(sources.1, resources))
    shared.noteSlowness()
    let limits = [decoders.0, decoders.1].compactMap(\.configuration.positionLimit)
    let tokens: LabelTokens
    do throws(CheckpointError) {
      tokens = try LabelTokens(prompts, Self.tokenizer(sources), limit: limits.min())
    } catch { throw error.code == .usage ? error.in(file: labels) : error }
    let count = tokens.rows.reduce(0) { $0 + $1.tokens.count }
    progress.begin("choosing labels", 2 * count, .tokens)
    defer { progress.finish() }
    let scores = try [decoders.0, decoders.1].map { (decoder) throws(CheckpointError) in
      try LabelScores(decoder, tokens, memory: resources.memory / 4, progress: progress.add)
    }
    return LabelComparison(prompts, scores[0], scores[1])
  }

  /// The first checkpoint's tokenizer, or the second's.
  private static func tokenizer(_ sources: (Source, Source)) throws(CheckpointError) -> Tokenizer {
    do throws(CheckpointError) {
      return try Tokenizer(assets: RestoredTokenizer.added(to: sources.0).checkpoint.assets)
    } catch {
      guard error.code == .missing else { throw error }
      return try Tokenizer(assets: RestoredTokenizer.added(to: sources.1).checkpoint.assets)
    }
  }
}
