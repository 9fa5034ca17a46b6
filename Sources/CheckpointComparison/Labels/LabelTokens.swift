public import TensorModel
public import Tokenization

/// The tokens of labelled prompts: a row for each label, of the prompt with the label after it.
///
/// A tokenizer may join the prompt's end with the label's beginning. So prompt and label are cut together, and what counts begins where the rows of one
/// prompt part from each other or from the prompt alone: the scores of its labels are probabilities after the same tokens.
public struct LabelTokens: Sendable {
  /// A label of a prompt.
  public struct Row: Sendable {
    /// The place of the prompt.
    public let prompt: Int
    /// All tokens.
    public let tokens: [Int]
    /// How many come before those that count, at least 1.
    public let sharedCount: Int
    /// How many of the first tokens see each other; nil leaves it to the checkpoint, which sees all that are shared or none.
    public let prefix: Int?
  }

  /// The prompts.
  public let prompts: [LabelledPrompt]
  /// A row for each label of each prompt, in their order.
  public let rows: [Row]
  /// The prompts' file; nil for others.
  private(set) var file: String?

  /// Cuts prompts and labels.
  ///
  /// - Parameters:
  ///   - prompts: from a file.
  ///   - tokenizer: of the models; what it puts before texts comes first, what it puts after them is left out.
  ///   - limit: the most tokens that the models have positions for; nil for any number.
  /// - Throws: `usage` with the line of a prompt that is too long, or that no token stands for.
  public init(
    _ prompts: [LabelledPrompt], _ tokenizer: Tokenizer, limit: Int?
  ) throws(CheckpointError) {
    var rows: [Row] = []
    for (place, prompt) in prompts.enumerated() {
      func tokens(_ text: String) throws(CheckpointError) -> [Int] {
        tokenizer.prefix + (try tokenizer.encode(text, addingSpecialTokens: false))
      }
      var all: [[Int]] = []
      for label in prompt.labels { all.append(try tokens(prompt.prompt + label)) }
      var shared = try tokens(prompt.prompt)
      for row in all {
        shared = Array(zip(shared, row).prefix { $0 == $1 }.map(\.0))
        // Something must be left to count.
        if shared.count == row.count { shared.removeLast() }
      }
      guard !shared.isEmpty else {
        throw CheckpointError(
          .usage, "line \(prompt.line): no token comes before all labels",
          hint: "begin the prompt with some words that its labels don't change")
      }
      if let limit, let longest = all.map(\.count).max(), longest > limit {
        throw CheckpointError(
          .usage, "line \(prompt.line): prompt and label are longer than what the models take",
          expected: "at most \(limit) tokens", found: "\(longest)", hint: "shorten the prompt")
      }
      rows += all.map {
        Row(prompt: place, tokens: $0, sharedCount: shared.count, prefix: prompt.prefix)
      }
    }
    self.prompts = prompts
    self.rows = rows
  }

  /// The same for prompts of a file, which errors about them name.
  ///
  /// - Parameters:
  ///   - prompts: from a file.
  ///   - tokenizer: of the models.
  ///   - limit: the most tokens that the models have positions for; nil for any number.
  ///   - file: the prompts' file.
  /// - Throws: `usage` with the file and the line of a prompt that is too long, or that no token stands for.
  public init(
    _ prompts: [LabelledPrompt], _ tokenizer: Tokenizer, limit: Int?, in file: String
  ) throws(CheckpointError) {
    do throws(CheckpointError) {
      try self.init(prompts, tokenizer, limit: limit)
    } catch { throw error.code == .usage ? error.in(file: file) : error }
    self.file = file
  }

  /// Where a row's prompt is, for messages.
  func place(_ row: Row) -> String {
    "line \(prompts[row.prompt].line)\(file.map { " of \($0)" } ?? "")"
  }

  /// Stops at tokens that a model doesn't have.
  ///
  /// - Parameter vocabulary: how many it has.
  /// - Throws: `usage` with the place of a prompt.
  func requireTokens(below vocabulary: Int) throws(CheckpointError) {
    for row in rows {
      guard let token = row.tokens.first(where: { $0 >= vocabulary }) else { continue }
      throw CheckpointError(
        .usage, "\(place(row)) has tokens that this model doesn't have",
        expected: "tokens below \(vocabulary)", found: "\(token)",
        hint: "both models take the tokens of one tokenizer: compare models of one vocabulary")
    }
  }
}
