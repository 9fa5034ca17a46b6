import CheckpointComparison
import Foundation
import TensorModel

/// What two models choose of labels, as the page shows it.
struct LabelPart {
  /// A way to score.
  struct ChoiceRow {
    let way: String
    let agreement: String
    let flips: String
    let accuracies: String
    let macroF1: String
    let onlyFirst: String
    let onlySecond: String
    let probability: String
  }

  /// A prompt at which they choose differently.
  struct FlipRow {
    let line: String
    let first: String
    let firstMargin: String
    let second: String
    let secondMargin: String
    let gold: String
  }

  let text: String
  let choices: [ChoiceRow]
  let hasGold: Bool
  let flips: [FlipRow]
  let hasFlips: Bool
  /// What isn't listed; nil if all is.
  let more: String?

  private static let listedCount = 100

  /// A part of a page.
  ///
  /// - Parameters:
  ///   - comparison: of two models.
  ///   - command: whose `--json` has all.
  init(_ comparison: LabelComparison, command: String) {
    text =
      "\(counted(comparison.promptCount, "prompt")), of which \(grouped(comparison.goldCount)) have a right label."
    hasGold = comparison.goldCount > 0
    choices = [
      ("log-probability", comparison.bySum),
      ("log-probability for each byte", comparison.byByte),
    ].map { way, choices in
      let gold = choices.gold
      return ChoiceRow(
        way: way, agreement: percent(choices.agreement), flips: grouped(choices.flips.count),
        accuracies: gold?.accuracies.map(percent).joined(separator: ", ") ?? "",
        macroF1: gold?.macroF1.map { String(format: "%.4f", $0) }.joined(separator: ", ") ?? "",
        onlyFirst: gold.map { grouped($0.onlyFirstCount) } ?? "",
        onlySecond: gold.map { grouped($0.onlySecondCount) } ?? "",
        probability: gold.map { threeDigits($0.mcnemarP) } ?? "")
    }
    let all = comparison.bySum.flips
    flips = all.prefix(Self.listedCount).map {
      FlipRow(
        line: "\($0.line)", first: $0.first, firstMargin: threeDigitsInColumn($0.firstMargin),
        second: $0.second, secondMargin: threeDigitsInColumn($0.secondMargin), gold: $0.gold ?? "")
    }
    hasFlips = !flips.isEmpty
    more =
      all.count > Self.listedCount
      ? "\(grouped(all.count - Self.listedCount)) more are in \(command) --json." : nil
  }
}
