import CheckpointComparison
import Foundation
import ModelArchitectures
import TensorModel

/// Tensors of a kind or layer, as the page lists them.
struct GroupRow {
  let name: String
  let stack: String
  let tensors: String
  let equal: String
  let relative: String
  let rms: String
  let largest: String
  let ranks: String

  init(_ name: String, _ group: ComparisonSummary.Group, stack: String = "") {
    self.name = name
    self.stack = stack
    tensors = grouped(group.tensorCount)
    equal = percent(group.equalFraction)
    relative = group.movement.map { figure($0.relativeL2) } ?? ""
    rms = group.movement.map { figure($0.rms) } ?? ""
    largest = group.movement.map { figure($0.maxAbsolute) } ?? ""
    ranks = group.ranks.map(Self.text) ?? ""
  }

  /// `8`, or `4 to 16, mostly 8`; how many are beyond what is looked for.
  private static func text(_ ranks: ComparisonSummary.Ranks) -> String {
    var parts: [String] = []
    if let minimum = ranks.minimum, let median = ranks.median, let maximum = ranks.maximum {
      parts.append(minimum == maximum ? "\(median)" : "\(median) (\(minimum) to \(maximum))")
    }
    if ranks.overLimitCount > 0 {
      parts.append("\(grouped(ranks.overLimitCount)) over \(ChangeRank.limit)")
    }
    return parts.joined(separator: ", ")
  }
}

/// A tensor that isn't identical, as the page lists it.
struct ChangeRow {
  let name: String
  let what: String
  let first: String
  let second: String
  let relative: String
  let largest: String
  let cosine: String
  let differing: String
  let at: String
  let rank: String

  init(_ difference: TensorDifference) {
    name = difference.name
    what = Self.text(difference)
    first = difference.first.map(Self.text) ?? "none"
    second = difference.second.map(Self.text) ?? "none"
    relative = difference.values.map { figure($0.relativeL2) } ?? ""
    largest = difference.values.map { figure($0.maxAbsolute) } ?? ""
    cosine = difference.values.map { String(format: "%.6f", $0.cosine) } ?? ""
    differing = difference.differingCount.map(grouped) ?? ""
    at = difference.firstIndex.map { $0.map(String.init).joined(separator: ", ") } ?? ""
    rank =
      switch difference.rank {
      case .exactly(let rank): "\(rank)"
      case .atLeast(let rank): "at least \(rank)"
      case .unknown, nil: ""
      }
  }

  private static func text(_ difference: TensorDifference) -> String {
    switch difference.relation {
    case .missingInFirst: "only in the second"
    case .missingInSecond: "only in the first"
    case .shape: "other shape"
    case .equalAfterWidening: "equal values"
    case .equalAfterRounding: "equal after rounding"
    case .values:
      if let count = difference.zeroSignCount, count == difference.differingCount {
        "only signs of zeros"
      } else {
        "values differ"
      }
    }
  }

  private static func text(_ description: TensorDifference.Description) -> String {
    let shape = description.shape.dimensions.map(String.init).joined(separator: " × ")
    return "\(description.dtype.rawValue) \(shape)"
  }
}

/// A figure, or that there is none.
private func figure(_ value: Double) -> String {
  value == 0 ? "0" : value.isFinite ? threeDigitsInColumn(value) : "no number"
}

/// What both models compute, as the page shows it.
struct ForwardPart {
  /// A layer's residual stream.
  struct LayerRow {
    let layer: String
    let relative: String
  }

  let text: String
  let tensors: [String]
  let chart: LayerPanels?
  let layers: [LayerRow]

  init(_ forward: ForwardComparison) {
    if let divergence = forward.firstDivergence {
      let place = divergence.layer.map { "layer \($0), " } ?? ""
      let cause = divergence.cause.map { ": \($0.rawValue)" } ?? ""
      text =
        "They part in \(place)\(divergence.sublayer)\(cause). Tensors there that differ by more than their dtypes explain:"
      tensors = divergence.tensors
    } else {
      text = "They part nowhere by more than their dtypes explain."
      tensors = []
    }
    layers = forward.layers.map {
      LayerRow(layer: "\($0.layer)", relative: figure($0.relativeL2))
    }
    chart = LayerPanels(
      forward.layers.map {
        LayerPanels.Value(
          place: WeightPlace(layer: $0.layer, kind: "residual stream"), number: $0.relativeL2,
          series: 0, text: "after layer \($0.layer): \(figure($0.relativeL2))")
      }, SeriesStyle.assigned(["after a layer"]), shown: [0])
  }
}
