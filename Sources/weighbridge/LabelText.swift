import CheckpointComparison
import Foundation
import TensorModel

/// What `compare --labels` says to people.
struct LabelText {
  private let comparison: LabelComparison

  /// Flips that are printed.
  private static let shownCount = 5

  /// Of a comparison.
  init(_ comparison: LabelComparison) { self.comparison = comparison }

  /// All of it.
  var lines: [String] {
    var lines =
      line(comparison.bySum, "by log-probability")
      + line(comparison.byByte, "by log-probability for each byte")
    let flips = comparison.bySum.flips
    for flip in flips.prefix(Self.shownCount) {
      lines.append(
        "  line \(flip.line): \(quoted(flip.first)) by \(threeDigits(flip.firstMargin)) nats, then \(quoted(flip.second)) by \(threeDigits(flip.secondMargin))\(flip.gold.map { "; right is \(quoted($0))" } ?? "")"
      )
    }
    if flips.count > Self.shownCount {
      lines.append("  … and \(grouped(flips.count - Self.shownCount)) more; --json has all")
    }
    return lines
  }

  private func line(_ choices: LabelComparison.Choices, _ way: String) -> [String] {
    let count = counted(comparison.promptCount, "prompt")
    var text =
      "\(way): same choice at \(percent(choices.agreement)) of \(count), \(counted(choices.flips.count, "flip"))"
    if let gold = choices.gold {
      let shares = gold.accuracies.map(percent)
      let means = gold.macroF1.map { String(format: "%.4f", $0) }
      text +=
        "; right \(shares[0]) and \(shares[1]), macro-F1 \(means[0]) and \(means[1]); only the first is right at \(gold.onlyFirstCount), only the second at \(gold.onlySecondCount), McNemar's exact p \(threeDigits(gold.mcnemarP))"
    }
    return [text]
  }

  private func quoted(_ label: String) -> String {
    "'\(printable(clipped(label, to: 40)))'"
  }
}
