import CheckpointConversion
import Foundation
import Quantization
import TensorModel

/// What `quantize --measure` says of several schemes.
struct SchemesReport: Encodable {
  let schema = "schemes/v1"
  let tool = Certificate.Tool.current
  /// The source: as it was given if that is relative, else the path's last component.
  let path: String
  let source: QuantizationReport.SourceRecord?
  /// In the order in which they were asked for.
  let schemes: [Scheme]
  /// Those of a named set that don't fit the source.
  let refused: [Refused]
  let timing: ForwardReport.Timing

  /// A scheme.
  struct Scheme: Encodable {
    let scheme: String
    /// What it is written in.
    let container: String
    let byteCount: Int
    let bitsPerWeight: Double
    /// ‖x - y‖ / ‖x‖ over all matrices.
    let relativeRmse: Double
    /// Of the worst tensor.
    let largestRelativeRmse: Double?
    let worstTensor: String?
    let substitutionCount: Int
    let klDivergence: Double?
    let sameTopFraction: Double?
    let negativeLogLikelihoodIncrease: Double?
    let tokenCount: Int?
    let findings: [Finding]
    /// False where it was run, and there are no numbers to compare.
    var computesNumbers: Bool { tokenCount == nil || klDivergence != nil }

    init(_ entry: SchemeComparison.Entry) {
      let report = entry.report
      scheme = entry.scheme.name
      container = entry.scheme.container.title
      byteCount = report.byteCount
      bitsPerWeight = report.bitsPerWeight
      relativeRmse = entry.relativeRMSE
      largestRelativeRmse = report.types.compactMap(\.largestRelativeRmse).max()
      worstTensor = report.worstTensors.first
      substitutionCount = report.substitutions.count
      klDivergence = entry.validation?.meanKlDivergence
      sameTopFraction = entry.validation?.sameTopFraction
      negativeLogLikelihoodIncrease = entry.validation?.negativeLogLikelihoodIncrease
      tokenCount = entry.validation?.tokenCount
      findings = report.findings
    }
  }

  /// A scheme that can't be used.
  struct Refused: Encodable {
    let scheme: String
    let message: String
  }

  init(_ comparison: SchemeComparison, path: String, seconds: Double) {
    self.path = path
    source = comparison.entries.first?.report.source
    schemes = comparison.entries.map(Scheme.init)
    refused = comparison.refusals.map {
      Refused(scheme: $0.scheme.name, message: $0.error.summary)
    }
    timing = ForwardReport.Timing(seconds: (seconds * 1000).rounded() / 1000)
  }

  /// For people.
  var text: String {
    let isValidated = schemes.contains { $0.tokenCount != nil }
    // Where rows don't fill blocks, a scheme isn't what its name says.
    let areSubstituted = schemes.contains { $0.substitutionCount > 0 }
    let head =
      ["scheme", "container", "size", "bits per weight", "relative error", "worst tensor"]
      + (areSubstituted ? ["in other types"] : [])
      + (isValidated ? ["KL divergence", "same top", "ΔNLL"] : [])
    let rows = schemes.map { scheme in
      [
        scheme.scheme, scheme.container, humanSize(scheme.byteCount),
        String(format: "%.3f", scheme.bitsPerWeight), threeDigitsInColumn(scheme.relativeRmse),
        scheme.largestRelativeRmse.map(threeDigitsInColumn) ?? "",
      ]
        + (areSubstituted
          ? [scheme.substitutionCount > 0 ? counted(scheme.substitutionCount, "tensor") : ""] : [])
        + (isValidated
          ? [
            scheme.klDivergence.map(threeDigitsInColumn) ?? "no numbers",
            scheme.computesNumbers ? scheme.sameTopFraction.map(percent) ?? "" : "",
            scheme.negativeLogLikelihoodIncrease.map { String(format: "%+.3g", $0) } ?? "",
          ] : [])
    }
    var lines = figureTable([head] + rows)
    // Many may be refused for one reason.
    var reasons: [String] = []
    for message in refused.map(\.message) where !reasons.contains(message) {
      reasons.append(message)
    }
    lines += reasons.map { reason in
      let names = refused.filter { $0.message == reason }.map(\.scheme)
      return "\(names.joined(separator: ", ")) can't be used: \(printable(reason))"
    }
    return lines.joined(separator: "\n")
  }
}
