import CheckpointFormats
import Quantization
import TensorModel

/// Choices of types for a size, and presets beside them, run next to the source without being written: what errors are expected to do to predictions is an
/// estimate, and this is what they do.
struct SizeTrial {
  /// Mean Kullback-Leibler divergences of the choices, in nats; infinite where no numbers are computed.
  let choices: [Double]
  private let presets: [String: Double]

  /// Runs them.
  ///
  /// - Parameters:
  ///   - choices: at least one.
  ///   - presets: schemes in the format's own way; each counts once.
  ///   - request: of the conversion, whose validator runs them.
  ///   - progress: told of bytes that are made.
  /// - Throws: what planning, reading and running throw.
  init(
    _ choices: [QuantizationRequest], presets: [QuantizationRequest], _ request: ConversionRequest,
    _ progress: WorkProgress
  ) throws(CheckpointError) {
    var others: [QuantizationRequest] = []
    for preset in presets where !others.contains(where: { $0.scheme == preset.scheme }) {
      others.append(preset)
    }
    let comparison = try SchemeComparison(
      request, choices + others, skipsUnfit: false, progress)
    let divergences = comparison.entries.map { $0.validation?.meanKlDivergence ?? .infinity }
    self.choices = Array(divergences.prefix(choices.count))
    self.presets = Dictionary(
      zip(others.map(\.scheme.name), divergences.dropFirst(choices.count)),
      uniquingKeysWith: { first, _ in first })
  }

  /// The choice that costs least, the first of equals.
  var best: Int { choices.indices.min { choices[$0] < choices[$1] } ?? 0 }

  /// What a preset costs; nil if it wasn't run.
  func divergence(of scheme: QuantizationScheme) -> Double? { presets[scheme.name] }
}
