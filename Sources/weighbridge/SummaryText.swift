import CheckpointComparison
import Foundation
import TensorModel

/// How two checkpoints differ by kind of weight and by layer, as tables.
struct SummaryText {
  private let comparison: CheckpointComparison
  private let summary: ComparisonSummary

  /// Rows that a table has at most; JSON has all.
  private static let rowLimit = 200

  /// Of a comparison, and what is shown of its summary.
  init(_ comparison: CheckpointComparison, _ summary: ComparisonSummary) {
    self.comparison = comparison
    self.summary = summary
  }

  /// The tables; nothing where nothing changed by more than dtypes explain, and where there is one tensor.
  var lines: [String] {
    guard comparison.comparedCount > 1, comparison.summary.all.isChanged else { return [] }
    var lines = [""] + table("kind", summary.kinds.map { ($0.kind, $0.group) }, all: summary.all)
    if comparison.summary.layers.count > 1 {
      lines += [""] + table("layer", summary.layers.map { (Self.name($0), $0.group) }, all: nil)
    }
    if summary.rankReason != nil {
      lines.append("ranks of changes weren't computed; --rank computes them")
    } else if summary.all.ranks?.unknownCount ?? 0 > 0 {
      lines.append("?: a rank that can't be said; --json says why")
    }
    return lines + [""]
  }

  private func table(
    _ title: String, _ groups: [(name: String, group: ComparisonSummary.Group)],
    all: ComparisonSummary.Group?
  ) -> [String] {
    let hasRanks = summary.rankReason == nil
    var rows = groups.prefix(Self.rowLimit).map { Self.row($0.name, $0.group, hasRanks) }
    if let all { rows.append(Self.row("all", all, hasRanks)) }
    let titles = [title, "tensors", "equal", "relative L2", "max |Δ|"] + (hasRanks ? ["rank"] : [])
    var lines = figureTable([titles] + rows)
    if groups.count > Self.rowLimit {
      lines.append("… and \(grouped(groups.count - Self.rowLimit)) more; --json lists all")
    }
    return lines
  }

  private static func row(
    _ name: String, _ group: ComparisonSummary.Group, _ hasRanks: Bool
  ) -> [String] {
    [
      ColumnWidth.shown(name), grouped(group.tensorCount), percent(group),
      group.movement.map { threeDigits($0.relativeL2) } ?? "",
      group.movement.map { threeDigits($0.maxAbsolute) } ?? "",
    ] + (hasRanks ? [group.ranks.map(text) ?? ""] : [])
  }

  private static func name(_ layer: ComparisonSummary.Layer) -> String {
    guard let number = layer.layer else { return "outside of layers" }
    return [layer.stack, String(number)].compactMap { $0 }.filter { !$0.isEmpty }
      .joined(separator: " ")
  }

  /// The equal part; not 100 % where something isn't equal, nor 0 % where something is.
  private static func percent(_ group: ComparisonSummary.Group) -> String {
    let percent = 100 * group.equalFraction
    return percent > 0 && percent < 1 ? "<1 %" : "\(Int(percent)) %"
  }

  /// The smallest and the largest of some ranks.
  private static func text(_ ranks: ComparisonSummary.Ranks) -> String {
    let over = ranks.overLimitCount > 0 ? ">\(ChangeRank.limit)" : nil
    let ends = [
      ranks.minimum.map(String.init), over ?? ranks.maximum.map(String.init),
    ].compactMap { $0 }
    var parts: [String] = []
    for end in ends where !parts.contains(end) { parts.append(end) }
    let text = parts.joined(separator: "–")
    return ranks.unknownCount > 0 ? text + "?" : text
  }

  /// A rank, in a tensor's line.
  static func text(_ rank: ChangeRank) -> String {
    switch rank {
    case .exactly(let rank): "\(rank)"
    case .atLeast(let least): "\(least) or more"
    case .unknown(let reason): "not known: \(reason)"
    }
  }
}
