import CheckpointConversion
import Foundation
import Quantization
import TensorModel

/// Single tensors that are worth more bits, as the page lists them.
struct RaiseTable {
  /// A tensor, or several that get one type together.
  struct Row {
    let names: [String]
    let type: String
    let error: String
    let raised: String
    let raisedError: String
    let cost: String
    let byteCount: Int
    let reduction: String
    let basis: String
    let option: String
  }

  /// What raising all of them comes to, in a sentence.
  let text: String
  /// The options that do it.
  let options: String
  let hasOptions: Bool
  let rows: [Row]

  /// A table; nil where nothing can be raised.
  init?(_ report: QuantizationReport) {
    let raises = report.raises
    guard !raises.isEmpty, let budget = ErrorBudget(report) else { return nil }
    rows = raises.map { raise in
      Row(
        names: raise.tensors, type: raise.dtype.name,
        error: threeDigitsInColumn(raise.relativeRmse), raised: raise.raised.name,
        raisedError: threeDigitsInColumn(raise.raisedRelativeRmse),
        cost: humanSize(raise.addedByteCount), byteCount: raise.addedByteCount,
        reduction: threeDigits(raise.reduction), basis: BudgetTable.text(raise.basis),
        option: raise.option ?? "")
    }
    let bytes = raises.reduce(0) { $0 + $1.addedByteCount }
    let names = Set(raises.flatMap(\.tensors))
    let all = report.tensors.indices.filter { names.contains(report.tensors[$0].name) }
    var text = "All in this table"
    text += raises.count == 1 ? " costs " : " together cost "
    text +=
      "\(humanSize(bytes)) (\(percent(Double(bytes) / Double(max(1, report.byteCount)))) of the size)"
    if let (_, reduction) = budget.raising(all) {
      text +=
        " and \(raises.count == 1 ? "takes" : "take") \(BudgetTable.reduction(budget, reduction)) off the relative error of all tensors together\(raises.allSatisfy { $0.basis == .measured } ? "" : ", by estimate")"
    }
    text += "."
    if report.target != nil {
      text += " With a target for the size, others become smaller in return."
    }
    self.text = text
    options = Self.options(raises)
    hasOptions = !options.isEmpty
  }

  /// An option for each type where that is short enough, else one for each row.
  private static func options(_ raises: [TensorRaise]) -> String {
    var types: [WeightType] = []
    for raise in raises where !types.contains(raise.raised) { types.append(raise.raised) }
    let joined = types.compactMap { type in
      TypeOption(each: raises.filter { $0.raised == type }.flatMap(\.tensors), type)?.text
    }
    guard joined.count == types.count else {
      return raises.compactMap(\.option).joined(separator: " ")
    }
    return joined.joined(separator: " ")
  }
}
