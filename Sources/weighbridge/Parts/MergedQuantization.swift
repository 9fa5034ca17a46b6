import CheckpointConversion
import TensorModel

/// What a merge says of a quantization: what a single run would have said.
struct MergedQuantization {
  let report: QuantizationReport
  private let invocation: PartsInvocation?
  private let destination: String

  /// Nil for other conversions, and where nothing is left that a report could be made of.
  init?(
    _ outcome: PartsMerge.Outcome, _ destination: String, _ limits: QuantizationReport.Limits
  ) {
    guard let outline = outcome.quantization else { return nil }
    var report = QuantizationReport(outline, outcome.certificate, limits: limits)
    outcome.invocation?.expectation?.complete(&report, isWritten: true)
    self.report = report
    invocation = outcome.invocation
    self.destination = destination
  }

  private var source: String { invocation?.source ?? destination }

  /// For people.
  var text: String {
    QuantizationText.outcome(report, destination, labels: nil, listsSchemes: false)
  }

  /// For programs.
  ///
  /// - Parameter seconds: that the merge took.
  /// - Returns: JSON.
  /// - Throws: `inputOutput` if it can't be encoded.
  func document(seconds: Double) throws(CheckpointError) -> [UInt8] {
    try JSONDocument.bytes(
      QuantizationDocument(
        report: report, labels: nil, path: JSONDocument.path(source), resumedTensors: 0,
        seconds: seconds))
  }

  /// For a browser.
  ///
  /// The command is that which would have made all of it at once.
  ///
  /// - Returns: HTML.
  /// - Throws: `inputOutput` if a template isn't one.
  func page() throws(CheckpointError) -> [UInt8] {
    let words =
      (invocation?.arguments ?? []) + CommandWords.only(options: ["--max-rmse", "--report"])
    return try QuantizationPage(
      report,
      QuantizationPage.Run(
        source: source, destination: destination, command: PageCommandLine(words).text)
    ).html()
  }
}
