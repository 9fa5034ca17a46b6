import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import Quantization
import TensorModel

/// `quantize --dry-run --measure`: schemes side by side, with nothing written.
struct SchemesCommand {
  /// As the user has named it.
  let source: String
  let choice: SchemeChoice
  /// Where a page goes; nil for none.
  let page: ReportFile?
  /// The tokens that were run, and where they are from.
  let tokens: () -> (ids: [Int], origin: String)?

  /// Measures, and prints.
  ///
  /// - Parameters:
  ///   - request: of the source, with what runs it beside each scheme if that is wanted; its format doesn't count.
  ///   - quantizations: a request for each scheme.
  ///   - shared: how to print.
  ///   - progress: the line that shows how far it has come.
  /// - Throws: what measuring throws; `ExitCode` where a scheme was run and computes no numbers.
  func run(
    _ request: ConversionRequest, _ quantizations: [QuantizationRequest], _ shared: SharedOptions,
    _ progress: ProgressLine
  ) throws {
    let start = Date()
    let comparison = try SchemeComparison(
      request, quantizations, skipsUnfit: choice.isOfSet, progress.work)
    progress.finish()
    let report = SchemesReport(
      comparison, path: JSONDocument.path(source), seconds: Date().timeIntervalSince(start))
    try page?.write(SchemesPage(report, source: source, tokens: tokens()).html())
    if shared.json {
      Console.output(document: try JSONDocument.bytes(report))
    } else {
      let log = FindingLog(quiet: shared.quiet)
      for finding in Self.common(comparison) { log.report(finding) }
      Console.output(report.text + "\n")
    }
    guard report.schemes.allSatisfy(\.computesNumbers) else {
      Console.error(ForwardReport.noNumbersError)
      throw ExitCode(1)
    }
  }

  /// What is said of all schemes; of some it is in the document.
  private static func common(_ comparison: SchemeComparison) -> [Finding] {
    let lists = comparison.entries.map(\.report.findings)
    return (lists.first ?? []).filter { finding in lists.allSatisfy { $0.contains(finding) } }
  }
}
