import CheckpointConversion
import Foundation
import Quantization
import TensorModel

/// Error against size, as the page of a quantization shows it.
struct CurvePart {
  /// A point.
  struct Row {
    let style: SeriesStyle
    let what: String
    let scheme: String
    let size: String
    let byteCount: Int
    let bits: String
    let error: String
    let divergence: String
  }

  /// What was measured, and what would be more.
  let text: String
  let charts: [SchemeChart]
  let rows: [Row]
  let hasRows: Bool
  let hasDivergences: Bool

  /// What points are, in the order in which they are drawn; the last lie on top.
  private static let roles: [SizeCurve.Point.Role] = [.scheme, .choice, .preset, .result]

  /// A part of the page; nil without an error to show.
  init?(_ report: QuantizationReport) {
    guard let curve = report.curve else {
      guard let budget = ErrorBudget(report) else { return nil }
      let others = report.scheme.container.schemes.count {
        $0.type.isQuantized && $0 != report.scheme
      }
      text =
        "This scheme alone was measured: \(humanSize(report.byteCount)), with a relative error of \(threeDigits(budget.error)) over all quantized tensors. A curve needs others beside it: --measure with the same command measures the \(grouped(others)) other schemes of \(report.scheme.container.title) too. The source is read once more for all of them, and each takes about as much computing as this quantization; with --validate each is run beside the source."
      (charts, rows, hasRows, hasDivergences) = ([], [], false, false)
      return
    }
    text = Self.text(curve, report)
    let names = Self.roles.map { Self.name($0, report) }
    let styles = SeriesStyle.assigned(names)
    func style(_ role: SizeCurve.Point.Role) -> SeriesStyle {
      styles[Self.roles.firstIndex(of: role) ?? 0]
    }
    func chart(
      _ title: String, _ yName: String, _ value: (SizeCurve.Point) -> Double?
    ) -> SchemeChart? {
      let points = curve.points.compactMap { point in
        value(point).map {
          SchemeChart.Point(
            name: point.scheme ?? Self.name(point.role, report), series: style(point.role).name,
            byteCount: point.byteCount, value: $0)
        }
      }
      // One mark says nothing that its number doesn't.
      guard points.count > 1 else { return nil }
      return SchemeChart(
        title: title, yName: yName, points, styles, marked: style(.result).name)
    }
    charts = [
      chart("Relative error against size", "relative error") { $0.relativeRmse },
      chart("KL divergence against size", "KL divergence, nats") { $0.klDivergence },
    ].compactMap { $0 }
    rows = curve.points.filter { $0.role != .choice }.sorted {
      ($0.byteCount, $0.scheme ?? "") < ($1.byteCount, $1.scheme ?? "")
    }.map { point in
      Row(
        style: style(point.role), what: Self.name(point.role, report),
        scheme: point.scheme ?? "chosen types", size: humanSize(point.byteCount),
        byteCount: point.byteCount, bits: String(format: "%.3f", point.bitsPerWeight),
        error: threeDigitsInColumn(point.relativeRmse),
        divergence: point.klDivergence.map(threeDigitsInColumn) ?? "")
    }
    hasRows = !rows.isEmpty
    hasDivergences = curve.points.contains { $0.klDivergence != nil }
  }

  private static func name(_ role: SizeCurve.Point.Role, _ report: QuantizationReport) -> String {
    switch role {
    case .scheme: "scheme of \(report.scheme.container.title)"
    case .choice: "closest types for the size"
    case .preset: "its preset, plain"
    case .result: "this quantization"
    }
  }

  private static func text(_ curve: SizeCurve, _ report: QuantizationReport) -> String {
    var text =
      switch curve.measured {
      case .types:
        "Every type was measured on every weight, to choose for the size; errors are those of all weights whose type can be chosen. Schemes have this run’s quality and importances, and the preset is the smallest scheme that is at least as large, as the format’s own tool makes it."
      case .schemes:
        "Each scheme was measured on the whole model, with this run’s other options; errors are those of all matrices, quantized or not."
      }
    if !curve.points.contains(where: { $0.role == .preset }), curve.measured == .schemes {
      text += " This quantization is its scheme’s preset."
    }
    if report.validation != nil,
      !curve.points.contains(where: { $0.role == .scheme && $0.klDivergence != nil })
    {
      text +=
        " Only this quantization was run: --measure with --validate runs each scheme, too."
    }
    return text
  }
}
