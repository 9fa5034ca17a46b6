import CheckpointComparison
import CheckpointConversion
import Foundation
import TensorModel

/// What `compare` says.
struct ComparisonReport: Encodable {
  let comparison: CheckpointComparison
  let selection: DifferenceSelection
  /// The differences that are listed.
  let listed: [TensorDifference]
  /// What is shown of the summary.
  let summary: ComparisonSummary
  var forward: ForwardComparison?
  /// What both choose of labels; nil if they weren't asked.
  var labels: LabelComparison?
  /// What labels were judged by; nil without limits.
  var gate: Gate?

  /// Limits for choices of labels, and which of them are exceeded.
  struct Gate {
    let limits: QuantizationReport.Limits
    let exceeded: [QuantizationReport.Excess]
  }

  private let paths: [String]

  /// A report on two checkpoints, as the user named them.
  init(
    _ comparison: CheckpointComparison, _ selection: DifferenceSelection, _ first: String,
    _ second: String
  ) {
    self.comparison = comparison
    self.selection = selection
    listed = selection.listed(comparison.differences)
    summary = selection.shown(comparison.summary)
    paths = [first, second].map(JSONDocument.path)
  }

  private enum CodingKeys: String, CodingKey {
    case schema, tool, paths, verdict, identical, attentions, comparedCount, tensors
    case counts, leftOutCount, summary, labels, limits, exceeded
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
    try container.encode(counts, forKey: .counts)
    try container.encode(listed, forKey: .tensors)
    if leftOutCount > 0 { try container.encode(leftOutCount, forKey: .leftOutCount) }
    try container.encode(summary, forKey: .summary)
    try container.encodeIfPresent(labels, forKey: .labels)
    try container.encodeIfPresent(gate?.limits, forKey: .limits)
    try container.encodeIfPresent(gate?.exceeded, forKey: .exceeded)
    try forward?.encode(to: encoder)
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
    guard differences.allSatisfy({ $0.relation.isExplained }) else { return .different }
    if Set(comparison.attentions).count > 1 { return .differentAttention }
    return differences.contains { $0.relation == .equalAfterRounding }
      ? .equalWithinRounding : .equalValues
  }

  /// Whether both are the same, as far as the user wants to know.
  var isFine: Bool {
    verdict == .identical || selection.countsValues && verdict == .equalValues
  }

  /// How many differences the options leave out.
  var leftOutCount: Int { comparison.differences.count - listed.count }

  /// How many tensors there are of each relation.
  private var counts: [String: Int] {
    var counts = ["identical": comparison.tensors.count { $0.relation == nil }]
    for relation in TensorDifference.Relation.allCases {
      counts[relation.rawValue] = comparison.differences.count { $0.relation == relation }
    }
    return counts
  }
}
