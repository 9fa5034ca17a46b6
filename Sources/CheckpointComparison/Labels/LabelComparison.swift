import TensorModel

/// What two models choose of the same labels: how often the same, where not, and who is right.
public struct LabelComparison: Sendable, Encodable {
  /// Prompts that were judged.
  public let promptCount: Int
  /// Those of them whose right label is known.
  public let goldCount: Int
  /// Choices by Σ log p.
  public let bySum: Choices
  /// Choices by Σ log p for each byte of the label.
  public let byByte: Choices
  /// All prompts, with the scores of all labels.
  public let prompts: [Prompt]

  /// What comes of one way to score.
  public struct Choices: Sendable, Encodable {
    /// The share of prompts at which both choose the same label.
    public let agreement: Double
    /// Prompts at which they don't, the largest margins first.
    public let flips: [Flip]
    /// What can be said where right labels are known; nil where none is.
    public let gold: Gold?
  }

  /// A prompt at which the models choose differently.
  public struct Flip: Sendable, Encodable {
    /// The line of the file, from 1.
    public let line: Int
    /// What the first chooses.
    public let first: String
    /// What the second chooses.
    public let second: String
    /// The right label; nil if that isn't known.
    public let gold: String?
    /// By how much the first prefers its choice to the second's, in the unit of the scores.
    public let firstMargin: Double
    /// By how much the second prefers its choice to the first's.
    public let secondMargin: Double

    /// By how much both are sure.
    var margin: Double { min(firstMargin, secondMargin) }
  }

  /// How often each is right.
  public struct Gold: Sendable, Encodable {
    /// Shares of prompts, of both models.
    public let accuracies: [Double]
    /// Means over labels of 2 TP / (2 TP + FP + FN), of both models; over labels that are right or chosen somewhere.
    public let macroF1: [Double]
    /// Prompts that only the first gets right.
    public let onlyFirstCount: Int
    /// Prompts that only the second gets right.
    public let onlySecondCount: Int
    /// McNemar's exact p, two-sided.
    public let mcnemarP: Double

    private enum CodingKeys: String, CodingKey {
      case accuracies, onlyFirstCount, onlySecondCount
      case macroF1 = "macro_f1"
      case mcnemarP = "mcnemar_p"
    }
  }

  /// A prompt, and what both models think of its labels.
  public struct Prompt: Sendable, Encodable {
    /// The line of the file, from 1.
    public let line: Int
    /// The labels.
    public let labels: [String]
    /// The right one's place; nil if that isn't known.
    public let gold: Int?
    /// Σ log p of each label, by the first model.
    public let first: [Double]
    /// The same by the second.
    public let second: [Double]
  }

  /// Compares scores.
  ///
  /// - Parameters:
  ///   - prompts: that were judged.
  ///   - first: scores of one model.
  ///   - second: scores of the other.
  public init(_ prompts: [LabelledPrompt], _ first: LabelScores, _ second: LabelScores) {
    promptCount = prompts.count
    goldCount = prompts.count { $0.gold != nil }
    bySum = Self.choices(prompts, first.scores, second.scores)
    func perByte(_ scores: [[Double]]) -> [[Double]] {
      zip(prompts, scores).map { prompt, scores in
        zip(prompt.labels, scores).map { $1 / Double($0.utf8.count) }
      }
    }
    byByte = Self.choices(prompts, perByte(first.scores), perByte(second.scores))
    self.prompts = prompts.indices.map {
      Prompt(
        line: prompts[$0].line, labels: prompts[$0].labels, gold: prompts[$0].gold,
        first: first.scores[$0], second: second.scores[$0])
    }
  }

  private static func choices(
    _ prompts: [LabelledPrompt], _ first: [[Double]], _ second: [[Double]]
  ) -> Choices {
    let choices = (first.map(choice), second.map(choice))
    var flips: [Flip] = []
    for (place, prompt) in prompts.enumerated() {
      let (one, other) = (choices.0[place], choices.1[place])
      guard one != other else { continue }
      flips.append(
        Flip(
          line: prompt.line, first: prompt.labels[one], second: prompt.labels[other],
          gold: prompt.gold.map { prompt.labels[$0] },
          firstMargin: first[place][one] - first[place][other],
          secondMargin: second[place][other] - second[place][one]))
    }
    flips.sort { $0.margin == $1.margin ? $0.line < $1.line : $0.margin > $1.margin }
    return Choices(
      agreement: Double(prompts.count - flips.count) / Double(max(1, prompts.count)),
      flips: flips, gold: gold(prompts, choices))
  }

  /// The label with the largest score, of equal ones the first.
  private static func choice(_ scores: [Double]) -> Int {
    var best = 0
    for place in scores.indices where scores[place] > scores[best] { best = place }
    return best
  }

  private static func gold(
    _ prompts: [LabelledPrompt], _ choices: (first: [Int], second: [Int])
  ) -> Gold? {
    let known = prompts.indices.filter { prompts[$0].gold != nil }
    guard !known.isEmpty else { return nil }
    let right = (
      known.filter { choices.first[$0] == prompts[$0].gold },
      known.filter { choices.second[$0] == prompts[$0].gold }
    )
    let (first, second) = (Set(right.0), Set(right.1))
    let only = (first.subtracting(second).count, second.subtracting(first).count)
    return Gold(
      accuracies: [first, second].map { Double($0.count) / Double(known.count) },
      macroF1: [choices.first, choices.second].map { macroF1(prompts, known, $0) },
      onlyFirstCount: only.0, onlySecondCount: only.1,
      mcnemarP: ExactMcNemar.probability(onlyFirst: only.0, onlySecond: only.1))
  }

  private static func macroF1(
    _ prompts: [LabelledPrompt], _ known: [Int], _ choices: [Int]
  ) -> Double {
    var counts: [ExactName: (hits: Int, chosen: Int, right: Int)] = [:]
    for place in known {
      guard let gold = prompts[place].gold else { continue }
      let labels = prompts[place].labels.map { ExactName($0) }
      let (chosen, right) = (labels[choices[place]], labels[gold])
      counts[chosen, default: (0, 0, 0)].chosen += 1
      counts[right, default: (0, 0, 0)].right += 1
      if chosen == right { counts[right, default: (0, 0, 0)].hits += 1 }
    }
    let values = counts.sorted { $0.key < $1.key }.map { _, count in
      2 * Double(count.hits) / Double(count.chosen + count.right)
    }
    return values.reduce(0, +) / Double(max(1, values.count))
  }
}
