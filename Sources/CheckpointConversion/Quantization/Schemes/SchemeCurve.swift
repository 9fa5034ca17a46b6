public import Quantization
public import TensorModel

/// What the schemes of a container make of a source, beside a quantization that is going to be written.
public struct SchemeCurve: Sendable {
  private let comparison: SchemeComparison
  /// The quantization itself; nil where it is measured otherwise.
  private let own: QuantizationRequest?
  /// The scheme as the format's own tool has it; nil where that is the quantization itself.
  private let preset: QuantizationRequest?

  /// Measures them; the source is read once for all, and nothing is written.
  ///
  /// - Parameters:
  ///   - request: of the conversion. Its validator runs all of them beside the source.
  ///   - quantization: what is asked for; others differ from it in the scheme alone.
  ///   - isChoice: whether types are chosen for a size, so that it is none of the schemes.
  ///   - progress: told of bytes that are made.
  /// - Throws: `usage` for a source that can be read once only; what measuring throws.
  public init(
    _ request: ConversionRequest, _ quantization: QuantizationRequest, isChoice: Bool,
    _ progress: WorkProgress
  ) throws(CheckpointError) {
    guard request.source != "-" else {
      throw CheckpointError(
        .usage, "--measure reads the source once more, and standard input comes once",
        hint: "write the archive to a file first")
    }
    var plain = QuantizationRequest(quantization.scheme)
    plain.importance =
      quantization.scheme.container.heedsImportance ? quantization.importance : nil
    own = isChoice ? nil : quantization
    preset = isChoice || plain == quantization ? nil : plain
    var requests = [own, preset].compactMap { $0 }
    for scheme in quantization.scheme.container.schemes where scheme.type.isQuantized {
      guard isChoice || scheme != quantization.scheme else { continue }
      var other = quantization
      other.scheme = scheme
      other.isStrict = false
      requests.append(other)
    }
    comparison = try SchemeComparison(request, requests, skipsUnfit: true, progress)
  }

  /// Puts into a report what was measured beside it.
  ///
  /// - Parameter report: of the quantization.
  public func complete(_ report: inout QuantizationReport) {
    for entry in comparison.entries where entry.request != preset {
      report.measuredTypes.add(entry.report)
    }
    if let curve = report.curve {
      report.curve = curve.adding(
        Dictionary(
          comparison.entries.compactMap { entry in
            entry.validation?.meanKlDivergence.map { (entry.scheme.name, $0) }
          }, uniquingKeysWith: { first, _ in first }))
      return
    }
    report.curve = SizeCurve(
      .schemes,
      comparison.entries.map { entry in
        SizeCurve.Point(
          role: entry.request == own ? .result : entry.request == preset ? .preset : .scheme,
          scheme: entry.scheme.name, byteCount: entry.report.byteCount,
          bitsPerWeight: entry.report.bitsPerWeight, relativeRmse: entry.relativeRMSE.sixDigits,
          klDivergence: entry.validation?.meanKlDivergence)
      })
  }
}
