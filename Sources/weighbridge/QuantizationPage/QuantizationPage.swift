import CheckpointConversion
import FileContainers
import Foundation
import Mustache
import Quantization
import TensorModel

/// What `quantize --report` shows: the values of `Templates/quantization.html`.
///
/// Equal runs give equal pages: no times, no absolute paths.
struct QuantizationPage {
  let scheme: String
  let source: String
  let sourceKind: String
  let destination: String
  let tool: String
  /// The command that checks the destination again.
  let check: String
  let importance: String?
  let alerts: [Alert]
  let figures: [Figure]
  let isValidated: Bool
  let layerChart: LayerChart?
  let typeChart: TypeChart?
  let byteBar: ByteBar?
  let types: [TypeRow]
  let worst: [TensorRow]
  let hasWorst: Bool
  let substitutions: [SubstitutionRow]
  let hasSubstitutions: Bool
  let tensors: [TensorRow]
  let findings: [FindingRow]
  let hasFindings: Bool
  let files: [FileRow]
  let root: String?

  /// Something that a reader must see first.
  struct Alert {
    /// `bad`, `warning` or `good`.
    let level: String
    let title: String
    let text: String
  }

  /// A number, and what it is.
  struct Figure {
    let name: String
    let value: String
    let note: String
  }

  /// The tensors of a type.
  struct TypeRow {
    let color: String
    let name: String
    let tensors: String
    let weights: String
    let size: String
    let share: String
    let bits: String
    let error: String
  }

  /// A finding.
  struct FindingRow {
    let severity: String
    let check: String
    let place: String
    let message: String
  }

  /// A file that was written.
  struct FileRow {
    let name: String
    let size: String
  }

  /// A page.
  ///
  /// - Parameters:
  ///   - report: what it shows.
  ///   - source: what was quantized, as the user has named it.
  ///   - destination: what was written, likewise.
  init(_ report: QuantizationReport, source: String, destination: String) {
    scheme = report.scheme.name
    self.source = source == "-" ? "standard input" : Directories.split(source).name
    sourceKind = [report.source.architecture, report.source.format].compactMap { $0 }
      .joined(separator: ", ")
    self.destination = Directories.split(destination).name
    check = shellCommand("weighbridge verify", self.destination)
    tool = "\(report.tool.name) \(report.tool.version)"
    importance = report.importance.map {
      "\($0.digest)\($0.datasets.isEmpty ? "" : ", computed on \($0.datasets.joined(separator: ", "))")"
    }
    alerts = Self.alerts(report)
    figures = Self.figures(report)
    isValidated = report.validation != nil

    let colors = Self.colors(report.types.map(\.dtype))
    let errors = Dictionary(grouping: report.tensors, by: \.dtype).mapValues {
      $0.compactMap { $0.errors?.relativeRmse }
    }
    let ordered = report.types.sorted { Self.order($0.dtype) < Self.order($1.dtype) }
    byteBar = ByteBar(
      ordered.map { ($0.dtype.name, colors[$0.dtype] ?? "", $0.byteCount) })
    typeChart = TypeChart(
      ordered.map { ($0.dtype.name, colors[$0.dtype] ?? "", errors[$0.dtype] ?? []) })
    layerChart = LayerChart(
      report.tensors.compactMap { tensor in
        tensor.errors.map { errors in
          LayerChart.Value(
            place: TensorPlace(tensor.name), error: errors.relativeRmse,
            text: "\(tensor.name) \(tensor.dtype.name) \(threeDigits(errors.relativeRmse))")
        }
      }, limit: report.limits.maxRmse)
    types = ordered.map { type in
      TypeRow(
        color: colors[type.dtype] ?? "", name: type.dtype.name,
        tensors: grouped(type.tensorCount), weights: grouped(type.parameterCount),
        size: humanSize(type.byteCount),
        share: percent(Double(type.byteCount) / Double(max(1, report.byteCount))),
        bits: TensorRow.bits(type.byteCount, type.parameterCount),
        error: type.largestRelativeRmse.map(threeDigitsInColumn) ?? "")
    }

    let substituted = Dictionary(
      report.substitutions.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let worstNames = Set(report.worstTensors)
    tensors = report.tensors.enumerated().map { place, tensor in
      TensorRow(
        tensor, place, report.scheme, substituted[tensor.name],
        isLinked: worstNames.contains(tensor.name))
    }
    let rows = Dictionary(
      tensors.filter { $0.anchor != nil }.map { ($0.name, $0) }, uniquingKeysWith: { a, _ in a })
    worst = report.worstTensors.compactMap { rows[$0] }
    hasWorst = !worst.isEmpty
    substitutions = SubstitutionRow.rows(report.substitutions)
    hasSubstitutions = !substitutions.isEmpty
    findings = report.findings.map {
      FindingRow(
        severity: $0.severity.rawValue, check: $0.check, place: $0.tensor ?? $0.file ?? "",
        message: $0.message)
    }
    hasFindings = !findings.isEmpty
    files = report.files.map { FileRow(name: $0.name, size: humanSize($0.byteCount)) }
    root = report.root.map { "\($0)" }
  }

  /// The page as a file has it.
  ///
  /// - Throws: `inputOutput` if the template isn't one.
  func html() throws(CheckpointError) -> [UInt8] {
    MustacheContentTypes.register(XHTMLText(), named: "XHTML")
    do {
      let template = try MustacheTemplate(
        string: String(decoding: PackageResources.quantization_html, as: UTF8.self))
      return Array(template.render(self).utf8)
    } catch { throw CheckpointError(.inputOutput, "can't make the report: \(error)") }
  }

  // MARK: Types

  /// Types with fewer bits first.
  private static func order(_ type: WeightType) -> (Double, String) {
    (type.bitsPerWeight, type.name)
  }

  /// Classes of a ramp of eight colours, the darkest for the most bits.
  private static func colors(_ types: [WeightType]) -> [WeightType: String] {
    let types = types.sorted { order($0) < order($1) }
    return Dictionary(
      zip(types, types.indices.map { "t\($0 * 7 / max(1, types.count - 1))" }),
      uniquingKeysWith: { first, _ in first })
  }

  // MARK: What is seen first

  private static func alerts(_ report: QuantizationReport) -> [Alert] {
    var alerts = report.exceeded.map {
      Alert(level: "bad", title: "Limit exceeded", text: QuantizationText.excess($0))
    }
    if let validation = report.validation, validation.meanKlDivergence == nil {
      alerts.append(
        Alert(
          level: "bad", title: "No numbers",
          text: "the result computes no numbers on the \(counted(validation.tokenCount, "token"))"))
    }
    let limits = [
      report.limits.maxKl.map { "--max-kl \(threeDigits($0))" },
      report.limits.maxRmse.map { "--max-rmse \(threeDigits($0))" },
    ].compactMap { $0 }
    if !limits.isEmpty && report.exceeded.isEmpty {
      alerts.append(
        Alert(level: "good", title: "Within limits", text: limits.joined(separator: ", ")))
    }
    let flushed = report.tensors.reduce(0) { $0 + ($1.errors?.flushedBlockCount ?? 0) }
    if flushed > 0 {
      alerts.append(
        Alert(
          level: "warning", title: "Blocks became zero",
          text:
            "\(counted(flushed, "block")) of small values \(flushed == 1 ? "is" : "are") all zero now"
        ))
    }
    for severity in [Finding.Severity.error, .warning] {
      let count = report.findings.count { $0.severity == severity }
      if count > 0 {
        alerts.append(
          Alert(
            level: severity == .error ? "bad" : "warning",
            title: counted(count, severity == .error ? "error" : "warning"), text: "see Findings"))
      }
    }
    return alerts
  }

  private static func figures(_ report: QuantizationReport) -> [Figure] {
    let sourceSize = report.source.bitsPerWeight * Double(report.parameterCount) / 8
    var figures = [
      Figure(
        name: "Bits per weight", value: String(format: "%.3f", report.bitsPerWeight),
        note: "source \(String(format: "%.4g", report.source.bitsPerWeight))"),
      Figure(
        name: "Size of the tensors", value: humanSize(report.byteCount),
        note: sourceSize > 0
          ? "\(percent(Double(report.byteCount) / sourceSize)) of \(humanSize(Int(exactly: sourceSize.rounded()) ?? .max))"
          : ""),
      Figure(
        name: "Weights", value: grouped(report.parameterCount),
        note: "in \(counted(report.tensors.count, "tensor"))"),
    ]
    if let worst = report.worstTensors.first,
      let tensor = report.tensors.first(where: { $0.name == worst }), let errors = tensor.errors
    {
      figures.append(
        Figure(
          name: "Worst relative error", value: threeDigits(errors.relativeRmse),
          note: "\(worst), \(tensor.dtype.name)"))
    }
    guard let validation = report.validation else { return figures }
    func number(_ value: Double?) -> String { value.map(threeDigits) ?? "no number" }
    figures.append(
      Figure(
        name: "KL divergence, mean",
        value: validation.meanKlDivergence.map { "\(threeDigits($0)) nats" } ?? "no number",
        note:
          "median\u{a0}\(number(validation.medianKlDivergence)), 99\u{a0}%\u{a0}\(number(validation.p99KlDivergence)), max\u{a0}\(number(validation.maxKlDivergence))"
      ))
    figures.append(
      Figure(
        name: "Same likeliest token", value: percent(validation.sameTopFraction),
        note: "of \(counted(validation.tokenCount, "position"))"))
    if let increase = validation.negativeLogLikelihoodIncrease {
      figures.append(
        Figure(
          name: "Negative log-likelihood", value: String(format: "%+.3g nats", increase),
          note: "a token; perplexity × \(String(format: "%.4f", exp(increase)))"))
    }
    figures.append(
      Figure(
        name: "Largest difference of a logit", value: number(validation.maxAbsLogitDifference),
        note: ""))
    return figures
  }
}
