import CheckpointComparison
import Foundation
import TensorModel

/// What `compare` says to people.
struct ComparisonText {
  private let report: ComparisonReport

  /// Of a report.
  init(_ report: ComparisonReport) { self.report = report }

  private var comparison: CheckpointComparison { report.comparison }

  /// Lines that are printed unless more are asked for.
  private static let standardLimit = 40

  /// All of it.
  var lines: [String] {
    let limit = report.selection.limit ?? Self.standardLimit
    var lines = report.listed.prefix(limit).map(line)
    if let more { lines.append(more) }
    lines += SummaryText(comparison, report.summary).lines
    if let forward = report.forward { lines += Self.lines(forward) }
    if let labels = report.labels { lines += LabelText(labels).lines }
    if Set(comparison.attentions).count > 1 {
      lines.append(
        "the first has \(comparison.attentions[0].rawValue) attention, the second \(comparison.attentions[1].rawValue)"
      )
    }
    return lines + [conclusion]
  }

  /// What isn't listed; nil if all is.
  private var more: String? {
    let wanted = report.selection.wanted(comparison.differences).count
    let shown = min(wanted, report.selection.limit ?? Self.standardLimit)
    var parts: [String] = []
    if wanted > shown {
      let all = report.selection.limit == nil ? "--json lists all" : "--top \(wanted) lists all"
      parts.append("\(grouped(wanted - shown)) more; \(all)")
    }
    let explained = comparison.differences.count - wanted
    if explained > 0 {
      parts.append("\(counted(explained, "tensor")) in other dtypes only")
    }
    return parts.isEmpty ? nil : "… and \(parts.reversed().joined(separator: ", and "))"
  }

  /// The verdict for people.
  private var conclusion: String {
    let differences = comparison.differences
    let count = counted(comparison.comparedCount, "tensor")
    let others = Self.share(differences.count, comparison.comparedCount)
    switch report.verdict {
    case .identical: return "\(Paint.text("identical", .success)): \(count)"
    case .differentAttention:
      let weights = differences.isEmpty ? "identical weights" : "equal weights in other dtypes"
      return "\(Paint.text("different attention", .error)), \(weights): \(count)"
    case .equalValues:
      return "\(Paint.text("equal values", .success)) in other dtypes: \(others) in dtype only"
    case .equalWithinRounding:
      let dtypes = Set(
        differences.flatMap { [$0.first?.dtype, $0.second?.dtype].compactMap { $0?.rawValue } })
      let words = Paint.text("equal within \(Self.coarsest(dtypes)) rounding", .warning)
      return "\(words): \(others) in dtype only"
    case .different: return "\(Paint.text("different", .error)): \(parts.joined(separator: ", "))"
    }
  }

  /// How many tensors differ, and how many only one of the two has.
  private var parts: [String] {
    let relations = comparison.differences.map(\.relation)
    let onlyFirst = relations.count { $0 == .missingInSecond }
    let onlySecond = relations.count { $0 == .missingInFirst }
    let common = comparison.comparedCount
    let reshaped = relations.count { $0 == .shape }
    let explained = relations.count(where: \.isExplained)
    var parts = [
      Self.share(relations.count - onlyFirst - onlySecond - explained, common + reshaped)
    ]
    if explained > 0 { parts.append("\(grouped(explained)) more in dtype only") }
    if common + reshaped == 0 { parts = ["no tensor is in both"] }
    if onlyFirst > 0 { parts.append("\(grouped(onlyFirst)) only in the first") }
    if onlySecond > 0 { parts.append("\(grouped(onlySecond)) only in the second") }
    return parts
  }

  /// How many of some tensors differ.
  private static func share(_ count: Int, _ all: Int) -> String {
    "\(grouped(count)) of \(counted(all, "tensor")) \(count == 1 ? "differs" : "differ")"
  }

  /// Of some dtypes the one with the fewest significant bits.
  private static func coarsest(_ dtypes: Set<String>) -> String {
    ["BF16", "F16", "F32", "F64"].first { dtypes.contains($0) } ?? "dtype"
  }

  private func line(_ difference: TensorDifference) -> String {
    let name = ColumnWidth.shown(difference.name)
    let types =
      "\(difference.first.map { "\($0.dtype.rawValue) \($0.shape)" } ?? "none") and \(difference.second.map { "\($0.dtype.rawValue) \($0.shape)" } ?? "none")"
    switch difference.relation {
    case .missingInFirst: return "\(name): missing in the first"
    case .missingInSecond: return "\(name): missing in the second"
    case .shape: return "\(name): \(types)"
    case .equalAfterWidening: return "\(name): \(types), equal values"
    case .equalAfterRounding: return "\(name): \(types), equal after rounding"
    case .values:
      if let count = difference.zeroSignCount, count == difference.differingCount {
        return "\(name): differs only in the sign of \(counted(count, "zero"))"
      }
      var text =
        "\(name): \(difference.differingCount.map { counted($0, "element") } ?? "elements") \(difference.differingCount == 1 ? "differs" : "differ")"
      if let index = difference.firstIndex {
        text += ", first at [\(index.map(String.init).joined(separator: ", "))]"
      }
      if let values = difference.values {
        text += String(
          format: "; max |Δ| %.3g\(Self.ulp(values.maxUlp)), relative L2 %.3g, cosine %.6f",
          values.maxAbsolute, values.relativeL2, values.cosine)
      }
      if let rank = difference.rank { text += ", rank \(SummaryText.text(rank))" }
      return text
    }
  }

  /// More than a million say no more than that values have nothing to do with each other.
  private static func ulp(_ value: Double?) -> String {
    value.map { $0 > 1e6 ? " (over 1e6 ulp)" : String(format: " (%.3g ulp)", $0) } ?? ""
  }

  private static func lines(_ forward: ForwardComparison) -> [String] {
    var lines = ["layer   relative L2 of the residual stream"]
    lines += forward.layers.map { String(format: "%5d   %.3g", $0.layer, $0.relativeL2) }
    if let divergence = forward.firstDivergence {
      let place = divergence.layer.map { "layer \($0), " } ?? ""
      lines.append(
        "they part in \(place)\(divergence.sublayer)\(divergence.cause.map { ": \($0.rawValue)" } ?? "")"
      )
      lines += divergence.tensors.map { "  \(ColumnWidth.shown($0))" }
    }
    lines.append(
      String(
        format:
          "logits: max |Δ| %.3g; KL divergence mean %.3g, median %.3g, 99 %% %.3g, max %.3g; same likeliest token at %.1f %% of %d positions",
        forward.maxAbsLogitDifference, forward.klDivergence.mean, forward.klDivergence.median,
        forward.klDivergence.p99, forward.klDivergence.max, 100 * forward.sameTopFraction,
        forward.tokenCount))
    return lines
  }
}
