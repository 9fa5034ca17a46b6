import CheckpointConversion
import FileContainers
import Foundation
import TensorModel

/// What `quantize --measure --report` shows: the values of `Templates/schemes.html`.
struct SchemesPage {
  let frame: Page.Frame
  let source: String
  let verdict: Verdict
  let charts: [SchemeChart]
  let rows: [Row]
  let isValidated: Bool
  let refused: [SchemesReport.Refused]
  let hasRefused: Bool
  let provenance: Provenance

  /// A scheme.
  struct Row {
    let style: SeriesStyle
    let scheme: String
    let container: String
    let size: String
    let byteCount: Int
    let bits: String
    let error: String
    let worst: String
    let worstTensor: String
    let substitutions: String
    let divergence: String
    let sameTop: String
    let likelihood: String
  }

  /// A page.
  ///
  /// - Parameters:
  ///   - report: what it shows.
  ///   - path: of the source, as the user has named it.
  ///   - tokens: that were run, and where they are from; nil if none were.
  init(
    _ report: SchemesReport, source path: String, tokens: (ids: [Int], origin: String)?
  ) {
    let source = path == "-" ? "standard input" : Directories.split(path).name
    self.source = source
    frame = Page.Frame(title: "\(source): \(counted(report.schemes.count, "scheme")) measured")
    let containers = report.schemes.map(\.container).reduce(into: [String]()) {
      containers, container in
      if !containers.contains(container) { containers.append(container) }
    }
    let styles = SeriesStyle.assigned(containers)
    func style(_ container: String) -> SeriesStyle {
      styles[containers.firstIndex(of: container) ?? 0]
    }
    isValidated = report.schemes.contains { $0.tokenCount != nil }
    charts = [
      SchemeChart(
        title: "Relative error against size", yName: "relative error",
        report.schemes.map {
          .init(
            name: $0.scheme, series: $0.container, byteCount: $0.byteCount, value: $0.relativeRmse)
        }, styles),
      SchemeChart(
        title: "KL divergence against size", yName: "KL divergence, nats",
        report.schemes.compactMap { scheme in
          scheme.klDivergence.map {
            .init(
              name: scheme.scheme, series: scheme.container, byteCount: scheme.byteCount, value: $0)
          }
        }, styles),
    ].compactMap { $0 }
    rows = report.schemes.map { scheme in
      Row(
        style: style(scheme.container), scheme: scheme.scheme, container: scheme.container,
        size: humanSize(scheme.byteCount), byteCount: scheme.byteCount,
        bits: String(format: "%.3f", scheme.bitsPerWeight),
        error: threeDigitsInColumn(scheme.relativeRmse),
        worst: scheme.largestRelativeRmse.map(threeDigitsInColumn) ?? "",
        worstTensor: scheme.worstTensor ?? "",
        substitutions: scheme.substitutionCount == 0 ? "" : grouped(scheme.substitutionCount),
        divergence: scheme.klDivergence.map(threeDigitsInColumn) ?? "",
        sameTop: scheme.sameTopFraction.map(percent) ?? "",
        likelihood: scheme.negativeLogLikelihoodIncrease.map { String(format: "%+.3g", $0) } ?? "")
    }
    refused = report.refused
    hasRefused = !refused.isEmpty
    verdict = Verdict(
      level: "plain", title: "Measured",
      text:
        "\(counted(report.schemes.count, "scheme")) for \(source): what each takes, and how far its weights are from the source’s. Nothing was written."
    )
    var lines = [
      Provenance.Line(name: "Command", text: PageCommandLine().text, isCode: true),
      Provenance.Line(
        name: "Version", text: "\(report.tool.name) \(report.tool.version)", isCode: false),
    ]
    if let tokens {
      lines.append(
        Provenance.Line(
          name: "Tokens", text: "\(counted(tokens.ids.count, "token")): \(tokens.origin)",
          isCode: false))
    }
    provenance = Provenance(lines, tokens: tokens?.ids)
  }

  /// The page as a file has it.
  ///
  /// - Throws: `inputOutput` if a template isn't one.
  func html() throws(CheckpointError) -> [UInt8] {
    try Page.html(self, PackageResources.schemes_html)
  }
}
