import CheckpointComparison
import TensorModel

/// What a page says about its list of differences: how it is sorted, and what the options leave out.
struct DifferenceListText {
  /// The heading.
  let title: String
  /// The caption.
  let order: String
  /// What isn't listed, and why; nil if all is.
  let leftOut: String?

  /// About the list in a report.
  init(_ report: ComparisonReport) {
    let selection = report.selection
    let wanted = selection.wanted(report.comparison.differences).count
    let explained = report.comparison.differences.count - wanted
    var parts: [String] = []
    if explained > 0 {
      let option = selection.isOfChanges ? "--changed-only" : "--equal-values"
      let what =
        selection.isOfChanges
        ? "differ by no more than their dtypes explain" : "have the same values in other dtypes"
      parts.append("\(option) leaves out \(counted(explained, "tensor")) that \(what).")
    }
    if wanted > report.listed.count {
      parts.append(
        "--top lists \(grouped(report.listed.count)) of \(counted(wanted, "difference")).")
    }
    leftOut = parts.isEmpty ? nil : parts.joined(separator: " ")
    title = parts.isEmpty ? "All differences" : "Differences"
    order = Self.text(selection.order)
  }

  private static func text(_ order: DifferenceOrder) -> String {
    switch order {
    case .source: "In the order of the first checkpoint, then what it lacks"
    case .name: "By name"
    case .change: "The largest relative change first"
    case .rms: "The largest root mean square of the change first"
    case .max: "The largest change of a value first"
    case .elements: "The most values that differ first"
    case .rank: "The highest rank of the change first"
    }
  }
}
