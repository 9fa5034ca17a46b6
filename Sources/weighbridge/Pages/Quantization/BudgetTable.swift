import CheckpointConversion
import Foundation
import ModelArchitectures
import Quantization
import TensorModel

/// Where error and bytes are, and what larger types would do, as the page shows it.
struct BudgetTable {
  /// Tensors of one kind and type.
  struct Row {
    let kind: String
    let type: String
    let tensors: String
    let size: String
    let byteCount: Int
    let byteShare: String
    let errorShare: String
    let perByte: String
    let next: String
    let cost: String
    let costByteCount: String
    let reduction: String
    let basis: String
  }

  /// What is best, in a sentence.
  let text: String
  /// The option that does it; nil if no short one does.
  let option: String?
  let rows: [Row]
  /// How many rows are left out; nil if none are.
  let more: String?

  private static let maximumRowCount = 60

  /// A table.
  init(_ budget: ErrorBudget, _ report: QuantizationReport) {
    let best = budget.parts.first { $0.raise.map { $0.byteCount > 0 } ?? false }
    var text =
      "All quantized tensors together have a relative error of \(threeDigits(budget.error))."
    if let best, let raise = best.raise {
      text +=
        " Most is gained for each byte by raising \(best.members.count == 1 ? "the tensor" : "the \(grouped(best.members.count)) tensors") \(best.kind) from \(best.type.name) to \(Self.names(raise)): that costs \(humanSize(raise.byteCount)) (\(percent(Double(raise.byteCount) / Double(max(1, report.byteCount)))) of the size) and takes \(Self.reduction(budget, budget.reduction(best.squaredError, to: raise.squaredError))) off, by estimate."
      option =
        raise.types.count == 1
        ? TypeOption(
          best.members.map { report.tensors[$0].name }, raise.types[0],
          isWholeKind: best.members.count
            == report.tensors.count { WeightPlace(named: $0.name).kind == best.kind })?.text : nil
    } else {
      text += " They have the largest types that aren’t floats."
      option = nil
    }
    self.text = text
    rows = budget.parts.prefix(Self.maximumRowCount).map { Self.row($0, budget) }
    let rest = budget.parts.count - rows.count
    more = rest > 0 ? "\(grouped(rest)) more of \(grouped(budget.parts.count)) aren’t listed." : nil
  }

  private static func row(_ part: ErrorBudget.Part, _ budget: ErrorBudget) -> Row {
    let byteShare = Double(part.byteCount) / Double(max(1, budget.byteCount))
    let errorShare =
      budget.squaredError > 0 ? part.squaredError / budget.squaredError : 0
    return Row(
      kind: part.kind, type: part.type.name, tensors: grouped(part.members.count),
      size: humanSize(part.byteCount), byteCount: part.byteCount, byteShare: percent(byteShare),
      errorShare: percent(errorShare),
      perByte: byteShare > 0 ? threeDigitsInColumn(errorShare / byteShare) : "",
      next: part.raise.map(names) ?? "none",
      cost: part.raise.map { humanSize($0.byteCount) } ?? "",
      costByteCount: part.raise.map { "\($0.byteCount)" } ?? "",
      reduction: part.raise.map {
        threeDigits(budget.reduction(part.squaredError, to: $0.squaredError))
      } ?? "",
      basis: part.raise.map { text($0.basis) } ?? "")
  }

  private static func names(_ raise: ErrorBudget.Raise) -> String {
    raise.types.map(\.name).joined(separator: ", ")
  }

  /// A difference of the error, and how much of it that is.
  static func reduction(_ budget: ErrorBudget, _ reduction: Double) -> String {
    "\(threeDigits(reduction)) (\(percent(budget.error > 0 ? reduction / budget.error : 0)))"
  }

  /// What an error in a larger type is known from, in words.
  static func text(_ basis: ErrorBudget.Basis) -> String {
    switch basis {
    case .measured: "measured on it"
    case .sameKind: "this kind’s tensors in that type"
    case .sameType: "other kinds’ tensors in that type"
    case .rule: "half for each bit"
    }
  }
}

/// A tensor that stands apart, as the page lists it.
struct OutlierRow {
  let anchor: String
  let name: String
  let type: String
  let error: String
  let typical: String
  let factor: String
  let score: String

  init(_ outlier: Outliers.Outlier, _ tensor: QuantizationReport.Tensor) {
    anchor = "t\(outlier.place)"
    name = tensor.name
    type = tensor.dtype.name
    let error = tensor.errors?.relativeRmse ?? 0
    self.error = threeDigitsInColumn(error)
    typical = threeDigitsInColumn(outlier.typical)
    factor = threeDigitsInColumn(error / outlier.typical)
    score = String(format: "%+.1f", outlier.score)
  }
}

/// What it takes to raise the outliers above their kind, in a sentence.
struct OutlierRaise {
  let text: String

  /// Nil if none is above, or can be raised.
  init?(_ outliers: Outliers, _ budget: ErrorBudget) {
    let places = outliers.all.filter { $0.score > 0 }.map(\.place)
    guard let (raise, reduction) = budget.raising(places) else { return nil }
    text =
      "Raising \(places.count == 1 ? "the one" : "the \(grouped(places.count))") above to \(raise.types.map(\.name).joined(separator: ", ")) costs \(humanSize(raise.byteCount)) and takes \(BudgetTable.reduction(budget, reduction)) off the relative error of all tensors together, by the estimate below."
  }
}

extension Outliers {
  /// What there is to say about them.
  var text: String {
    let apart =
      unjudgedCount == 0
      ? ""
      : " \(counted(unjudgedCount, "tensor")) \(unjudgedCount == 1 ? "has" : "have") fewer than \(Self.minimumGroupCount) of their kind and type, and can’t be judged."
    guard judgedCount > 0 else {
      return
        "No kind and type has \(Self.minimumGroupCount) quantized tensors, so none can be said to stand apart."
    }
    guard !all.isEmpty else {
      return
        "None of \(counted(judgedCount, "tensor")) is farther than \(Self.threshold) deviations from the others of its kind and type.\(apart)"
    }
    return
      "\(grouped(all.count)) of \(counted(judgedCount, "tensor")) \(all.count == 1 ? "is" : "are") farther than \(Self.threshold) deviations from the others of the same kind and type: worth a look, or more bits. Distances above zero are larger errors than usual.\(all.count > Self.listedCount ? " The \(Self.listedCount) farthest are listed." : "")\(apart)"
  }
}
