import CheckpointFormats
import ReferenceForward
public import TensorModel
import Tokenization

/// Prompts whose labels the source and the result of a conversion choose between.
public struct LabelTrial: Sendable {
  private let prompts: [LabelledPrompt]
  private let file: String
  private let didChoose: Choices

  /// Is told what both choose, or why one computes no numbers.
  public typealias Choices = @Sendable (Result<LabelComparison, CheckpointError>) -> Void

  /// A trial.
  ///
  /// - Parameters:
  ///   - prompts: at least one.
  ///   - file: theirs, which errors name.
  ///   - didChoose: told what both choose.
  public init(
    _ prompts: [LabelledPrompt], file: String, _ didChoose: @escaping Choices
  ) {
    (self.prompts, self.file, self.didChoose) = (prompts, file, didChoose)
  }

  /// Prompts and labels as the source's tokenizer cuts them.
  func tokens(_ source: Source, limit: Int?) throws(CheckpointError) -> LabelTokens {
    let tokenizer: Tokenizer
    do throws(CheckpointError) {
      tokenizer = try Tokenizer(assets: source.checkpoint.assets)
    } catch { throw Self.ofTokenizer(error, source.path) }
    return try LabelTokens(prompts, tokenizer, limit: limit, in: file)
  }

  /// A tokenizer's error where texts have to be cut, for which no ids of tokens can be passed instead.
  ///
  /// - Parameters:
  ///   - error: what is wrong with it.
  ///   - checkpoint: whose it would be.
  /// - Returns: the same error with the checkpoint and what helps.
  public static func ofTokenizer(
    _ error: CheckpointError, _ checkpoint: String
  ) -> CheckpointError {
    var error = error.in(file: checkpoint)
    guard error.code == .missing || error.code == .unsupported else { return error }
    error.hint =
      "prompts and labels are texts, which a tokenizer has to cut: put its files beside the model's, or name a checkpoint that has one"
    return error
  }

  /// Runs both.
  ///
  /// Where one computes no numbers, that is told, and is no reason to end the work.
  func run(
    _ tokens: LabelTokens, _ first: Decoder, _ second: Decoder, memory: Int,
    _ progress: WorkProgress
  ) throws(CheckpointError) {
    progress.begin(
      "choosing labels", 2 * tokens.rows.reduce(0) { $0 + $1.tokens.count }, .tokens)
    do throws(CheckpointError) {
      let scores = (
        try LabelScores(first, tokens, memory: memory, progress: progress.add),
        try LabelScores(second, tokens, memory: memory, progress: progress.add)
      )
      didChoose(.success(LabelComparison(prompts, scores.0, scores.1)))
    } catch {
      guard error.code == .malformed else { throw error }
      didChoose(.failure(error))
    }
  }
}
