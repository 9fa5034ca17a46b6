import ArgumentParser
import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import FileContainers
import ModelArchitectures
import ReferenceForward
import Synchronization
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

  /// What decides on the exit code.
  var limits: QuantizationReport.Limits {
    QuantizationReport.Limits(maxFlips: maxFlips, minAgreement: minAgreement)
  }

  /// Which limits a comparison exceeds: all, where there is none because a model computes no numbers.
  func exceeded(_ comparison: LabelComparison?) -> [QuantizationReport.Excess] {
    var exceeded: [QuantizationReport.Excess] = []
    let choices = comparison?.bySum
    if let maxFlips, choices.map({ $0.flips.count > maxFlips }) ?? true {
      exceeded.append(
        .init(
          limit: "max_flips", allowed: Double(maxFlips),
          found: choices.map { Double($0.flips.count) }))
    }
    if let minAgreement, choices.map({ $0.agreement < minAgreement }) ?? true {
      exceeded.append(
        .init(limit: "min_agreement", allowed: minAgreement, found: choices?.agreement))
    }
    return exceeded
  }

  /// What source and result of a conversion are asked, if labels are given.
  ///
  /// - Parameters:
  ///   - inputs: takes the file in.
  ///   - choices: is told what both choose.
  /// - Returns: the trial; nil without labels.
  /// - Throws: `usage` for what is wrong with the file; `missing` or `inputOutput`.
  func trial(_ inputs: ReadFiles, _ choices: RecordedChoices) throws(CheckpointError) -> LabelTrial?
  {
    guard let labels else { return nil }
    return LabelTrial(
      try LabelledPrompt.all(at: labels, recordedIn: inputs), file: labels, choices.record)
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
    let tokens = try LabelTokens(prompts, Self.tokenizer(sources), limit: limits.min(), in: labels)
    let count = tokens.rows.reduce(0) { $0 + $1.tokens.count }
    progress.begin("choosing labels", 2 * count, .tokens)
    defer { progress.finish() }
    let scores = try [(sources.0, decoders.0), (sources.1, decoders.1)].map {
      (source, decoder) throws(CheckpointError) in
      do throws(CheckpointError) {
        return try LabelScores(
          decoder, tokens, memory: resources.memory / 4, progress: progress.add)
      } catch { throw error.in(file: source.path) }
    }
    return LabelComparison(prompts, scores[0], scores[1])
  }

  /// The first checkpoint's tokenizer, or the second's.
  private static func tokenizer(_ sources: (Source, Source)) throws(CheckpointError) -> Tokenizer {
    do throws(CheckpointError) {
      return try Tokenizer(assets: RestoredTokenizer.added(to: sources.0).checkpoint.assets)
    } catch {
      guard error.code == .missing else { throw LabelTrial.ofTokenizer(error, sources.0.path) }
      do throws(CheckpointError) {
        return try Tokenizer(assets: RestoredTokenizer.added(to: sources.1).checkpoint.assets)
      } catch { throw LabelTrial.ofTokenizer(error, sources.1.path) }
    }
  }
}

/// What source and result of a conversion choose, kept for its reports.
final class RecordedChoices: Sendable {
  private let kept = Mutex<Result<LabelComparison, CheckpointError>?>(nil)

  /// Keeps them.
  @Sendable func record(_ choices: Result<LabelComparison, CheckpointError>) {
    kept.withLock { $0 = choices }
  }

  /// What both choose; nil if they weren't asked, or one computes no numbers.
  var choices: LabelComparison? { kept.withLock { try? $0?.get() } }

  /// Why there are no choices, in words; nil where there are some, or nobody was asked.
  var failure: String? {
    kept.withLock { kept in
      if case .failure(let error) = kept { error.summary } else { nil }
    }
  }
}
