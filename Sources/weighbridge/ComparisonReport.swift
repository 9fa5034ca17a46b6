import CheckpointComparison
import CheckpointConversion
import Foundation
import TensorModel

/// What `compare` says.
struct ComparisonReport: Encodable {
  private let comparison: CheckpointComparison
  var forward: ForwardComparison?

  private let paths: [String]

  /// A report on two checkpoints, as the user named them.
  init(_ comparison: CheckpointComparison, _ first: String, _ second: String) {
    self.comparison = comparison
    paths = [first, second].map(JSONDocument.path)
  }

  private enum CodingKeys: String, CodingKey {
    case schema, tool, paths, verdict, identical, attentions, comparedCount, tensors, summary
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode("comparison/v1", forKey: .schema)
    try container.encode(Certificate.Tool.current, forKey: .tool)
    try container.encode(paths, forKey: .paths)
    try container.encode(verdict, forKey: .verdict)
    try container.encode(comparison.isIdentical, forKey: .identical)
    try container.encode(comparison.attentions, forKey: .attentions)
    try container.encode(comparison.comparedCount, forKey: .comparedCount)
    try container.encode(comparison.differences, forKey: .tensors)
    try container.encode(comparison.summary, forKey: .summary)
    try forward?.encode(to: encoder)
  }

  /// For people.
  var text: String {
    var lines = comparison.differences.prefix(40).map(Self.line)
    if comparison.differences.count > 40 {
      lines.append("… and \(comparison.differences.count - 40) more; --json lists all")
    }
    if let forward { lines += Self.lines(forward) }
    if !comparison.isSame && comparison.isIdentical {
      lines.append(
        "the first has \(comparison.attentions[0].rawValue) attention, the second \(comparison.attentions[1].rawValue)"
      )
    }
    lines.append(conclusion)
    return lines.joined(separator: "\n")
  }

  /// What comes of the comparison of tensors and attention.
  enum Verdict: String, Encodable {
    case identical
    /// The same values, some in wider dtypes.
    case equalValues = "equal_values"
    /// The same after rounding to the narrower dtypes.
    case equalWithinRounding = "equal_within_rounding"
    case differentAttention = "different_attention"
    case different
  }

  /// What comes of this comparison.
  var verdict: Verdict {
    let differences = comparison.differences
    if comparison.isSame { return .identical }
    if differences.isEmpty { return .differentAttention }
    guard differences.allSatisfy({ $0.relation.isExplained }) else { return .different }
    return differences.contains { $0.relation == .equalAfterRounding }
      ? .equalWithinRounding : .equalValues
  }

  /// The verdict for people.
  private var conclusion: String {
    let differences = comparison.differences
    let count = counted(comparison.comparedCount, "tensor")
    let others = "\(grouped(differences.count)) of \(count) differ"
    switch verdict {
    case .identical: return "\(Paint.text("identical", .success)): \(count)"
    case .differentAttention:
      return "\(Paint.text("different attention", .error)), identical weights: \(count)"
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
    var parts = [
      "\(grouped(relations.count - onlyFirst - onlySecond)) of \(counted(common, "tensor")) differ"
    ]
    if common == 0 { parts = ["no tensor is in both"] }
    if onlyFirst > 0 { parts.append("\(grouped(onlyFirst)) only in the first") }
    if onlySecond > 0 { parts.append("\(grouped(onlySecond)) only in the second") }
    return parts
  }

  /// Of some dtypes the one with the fewest significant bits.
  private static func coarsest(_ dtypes: Set<String>) -> String {
    ["BF16", "F16", "F32", "F64"].first { dtypes.contains($0) } ?? "dtype"
  }

  private static func line(_ difference: TensorDifference) -> String {
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
          format: "; max |Δ| %.3g\(ulp(values.maxUlp)), relative L2 %.3g, cosine %.6f",
          values.maxAbsolute, values.relativeL2, values.cosine)
      }
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
