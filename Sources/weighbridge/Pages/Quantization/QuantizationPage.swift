import CheckpointComparison
import CheckpointConversion
import FileContainers
import Foundation
import ModelArchitectures
import Quantization
import TensorModel

/// What `quantize --report` shows: the values of `Templates/quantization.html`.
///
/// Equal runs give equal pages: no times, no absolute paths.
struct QuantizationPage {
  let frame: Page.Frame
  let scheme: String
  let source: String
  let verdict: Verdict
  let alerts: [PageAlert]
  let figures: [PageFigure]
  let isValidated: Bool
  let panels: LayerPanels?
  let outlierText: String
  let outliers: [OutlierRow]
  let hasOutliers: Bool
  let outlierRaise: OutlierRaise?
  let curve: CurvePart?
  let raises: RaiseTable?
  let labels: LabelPart?
  let budget: BudgetTable?
  let hasBudget: Bool
  let typeChart: TypeChart?
  let byteBar: ByteBar?
  let types: [TypeRow]
  let worst: [TensorRow]
  let hasWorst: Bool
  let substitutions: [SubstitutionRow]
  let hasSubstitutions: Bool
  let tensors: [TensorRow]
  let tensorCount: String
  /// Whether something else was made than the formats’ own tools make.
  let hasPlain: Bool
  /// Whether the table of all tensors is folded away.
  let isLong: Bool
  let findings: [FindingRow]
  let hasFindings: Bool
  let provenance: Provenance

  /// The tensors of a type.
  struct TypeRow {
    let style: SeriesStyle
    let name: String
    let tensors: String
    let weights: String
    let size: String
    let byteCount: Int
    let share: String
    let bits: String
    let error: String
  }

  /// How the run was asked for, which a report doesn't say.
  struct Run {
    /// What was quantized, as the user has named it.
    let source: String
    /// What was written, likewise.
    let destination: String
    /// The command line.
    var command = ""
    /// The ids that source and result ran on, and where they are from; nil if they didn't run.
    var tokens: (ids: [Int], origin: String)?
    /// What source and result choose of labels; nil if they weren't asked.
    var labels: LabelComparison?
  }

  /// A longer table is folded away.
  private static let longCount = 200

  /// A page.
  ///
  /// - Parameters:
  ///   - report: what it shows.
  ///   - run: how it came about.
  init(_ report: QuantizationReport, _ run: Run) {
    scheme = report.scheme.name
    let source = run.source == "-" ? "standard input" : Directories.split(run.source).name
    self.source = source
    let summary = QuantizationSummary(report, source: source)
    verdict = summary.verdict
    alerts = summary.alerts
    figures = summary.figures
    isValidated = report.validation != nil
    frame = Page.Frame(
      title: "\(source) as \(QuantizationText.kind(report)): \(summary.verdict.title.lowercased())")

    let ordered = report.types.sorted { Self.order($0.dtype) < Self.order($1.dtype) }
    let styles = SeriesStyle.assigned(ordered.map(\.dtype.name))
    let places = Dictionary(
      zip(ordered.map(\.dtype), 0...), uniquingKeysWith: { first, _ in first })
    let outliers = Outliers(report.tensors)
    let shownOutliers = outliers.all.prefix(Outliers.listedCount)
    panels = Self.panels(report, styles, places, Set(outliers.all.map(\.place)))
    let budget = ErrorBudget(report)
    self.budget = budget.map { BudgetTable($0, report) }
    hasBudget = budget != nil
    curve = CurvePart(report)
    raises = RaiseTable(report)
    labels = run.labels.map { LabelPart($0, command: "quantize") }
    outlierText = outliers.text
    self.outliers = shownOutliers.map { OutlierRow($0, report.tensors[$0.place]) }
    hasOutliers = !shownOutliers.isEmpty
    outlierRaise = budget.flatMap { OutlierRaise(outliers, $0) }

    let errors = Dictionary(grouping: report.tensors, by: \.dtype).mapValues {
      $0.compactMap { $0.errors?.relativeRmse }
    }
    byteBar = ByteBar(zip(styles, ordered).map { ($0, $1.byteCount) })
    typeChart = TypeChart(zip(styles, ordered).map { ($0, errors[$1.dtype] ?? []) })
    types = zip(styles, ordered).map { style, type in
      TypeRow(
        style: style, name: type.dtype.name, tensors: grouped(type.tensorCount),
        weights: grouped(type.parameterCount), size: humanSize(type.byteCount),
        byteCount: type.byteCount,
        share: percent(Double(type.byteCount) / Double(max(1, report.byteCount))),
        bits: TensorRow.bits(type.byteCount, type.parameterCount),
        error: type.largestRelativeRmse.map(threeDigitsInColumn) ?? "")
    }

    let substituted = Dictionary(
      report.substitutions.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let worstNames = Set(report.worstTensors)
    let outlierPlaces = Set(shownOutliers.map(\.place))
    tensors = report.tensors.enumerated().map { place, tensor in
      TensorRow(
        tensor, place, report.scheme, substituted[tensor.name],
        isLinked: worstNames.contains(tensor.name) || outlierPlaces.contains(place))
    }
    hasPlain = report.errorsOfAll != nil
    tensorCount = counted(report.tensors.count, "tensor")
    isLong = report.tensors.count > Self.longCount
    let rows = Dictionary(
      tensors.filter { $0.anchor != nil }.map { ($0.name, $0) }, uniquingKeysWith: { a, _ in a })
    worst = report.worstTensors.compactMap { rows[$0] }
    hasWorst = !worst.isEmpty
    substitutions = SubstitutionRow.rows(report.substitutions)
    hasSubstitutions = !substitutions.isEmpty
    findings = report.findings.map(FindingRow.init)
    hasFindings = !findings.isEmpty
    provenance = Provenance(report, run)
  }

  /// The page as a file has it.
  ///
  /// - Throws: `inputOutput` if a template isn't one.
  func html() throws(CheckpointError) -> [UInt8] {
    try Page.html(self, PackageResources.quantization_html)
  }

  /// Types with fewer bits first.
  private static func order(_ type: WeightType) -> (Double, String) {
    (type.bitsPerWeight, type.name)
  }

  private static func panels(
    _ report: QuantizationReport, _ styles: [SeriesStyle], _ places: [WeightType: Int],
    _ outliers: Set<Int>
  ) -> LayerPanels? {
    var used = Set<Int>()
    let values = report.tensors.enumerated().compactMap { place, tensor in
      tensor.errors.map { errors in
        let series = places[tensor.dtype] ?? 0
        used.insert(series)
        return LayerPanels.Value(
          place: WeightPlace(named: tensor.name), number: errors.relativeRmse, series: series,
          text: "\(tensor.name) \(tensor.dtype.name) \(threeDigits(errors.relativeRmse))",
          isOutlier: outliers.contains(place))
      }
    }
    return LayerPanels(
      values, styles, shown: used,
      limit: report.limits.maxRmse.map { (name: "--max-rmse", number: $0) })
  }
}

extension Provenance {
  /// Where a quantization is from.
  fileprivate init(_ report: QuantizationReport, _ run: QuantizationPage.Run) {
    let destination = Directories.split(run.destination).name
    var lines = [
      Line(
        name: "Source",
        text: [report.source.architecture, report.source.format].compactMap { $0 }
          .joined(separator: ", "), isCode: false)
    ]
    if !run.command.isEmpty {
      lines.insert(Line(name: "Command", text: run.command, isCode: true), at: 0)
    }
    if let importance = report.importance {
      lines.append(
        Line(
          name: "Importance matrix",
          text:
            "\(importance.digest)\(importance.datasets.isEmpty ? "" : ", computed on \(importance.datasets.joined(separator: ", "))")",
          isCode: false))
    }
    if let tokens = run.tokens {
      lines.append(
        Line(
          name: "Tokens", text: "\(counted(tokens.ids.count, "token")): \(tokens.origin)",
          isCode: false))
    }
    lines += Self.versions(hasRun: run.tokens != nil)
    lines.append(
      Line(
        name: "Files",
        text: report.files.map { "\($0.name) (\(humanSize($0.byteCount)))" }
          .joined(separator: ", "), isCode: false))
    if let root = report.root {
      lines.append(Line(name: "Root of all tensors", text: "\(root)", isCode: true))
      lines.append(
        Line(
          name: "Check it again", text: shellCommand("weighbridge verify", destination),
          isCode: true))
    }
    self.init(lines, tokens: run.tokens?.ids)
  }
}
