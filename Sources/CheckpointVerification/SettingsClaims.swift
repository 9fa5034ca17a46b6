import CheckpointConversion
import Quantization
import TensorModel

/// What a certificate says was asked for, as far as the checkpoint's tensors contradict it: their source isn't needed for that.
struct SettingsClaims {
  private let certificate: Certificate
  private let checkpoint: Checkpoint

  private static let floats: [DType] = [.f64, .f32, .f16, .bf16]

  /// - Parameters:
  ///   - certificate: of the checkpoint.
  ///   - checkpoint: as it is.
  init(_ certificate: Certificate, _ checkpoint: Checkpoint) {
    self.certificate = certificate
    self.checkpoint = checkpoint
  }

  /// What can't be so.
  var findings: [Finding] {
    guard let settings = certificate.settings else { return [] }
    return [dtypeProblem(settings), schemeProblem(settings)].compactMap { $0 }.map {
      Finding(.error, "certificate-claim", $0)
    }
  }

  private func has(_ dtype: DType) -> Bool { checkpoint.tensors.contains { $0.dtype == dtype } }

  /// Whether the conversion itself said that it was done otherwise.
  private func isSaid(_ check: String, _ text: String = "") -> Bool {
    certificate.findings.contains {
      $0.check == check && (text.isEmpty || $0.message.contains(text))
    }
  }

  private func dtypeProblem(_ settings: SettingsRecord) -> String? {
    guard settings.quantization == nil, let dtype = DType(rawValue: settings.dtype),
      Self.floats.contains(dtype), !has(dtype), !isSaid("dtype-kept"),
      let other = checkpoint.tensors.first(where: { Self.floats.contains($0.dtype) })
    else { return nil }
    return
      "the dtype is certified as \(dtype.rawValue), and no tensor has it: '\(other.name)' is \(other.dtype.rawValue)"
  }

  private func schemeProblem(_ settings: SettingsRecord) -> String? {
    guard let quantization = settings.quantization else { return nil }
    guard let scheme = QuantizationScheme(named: quantization.scheme) else {
      return "the scheme is certified as '\(quantization.scheme)', which there isn't"
    }
    guard scheme.container.format == certificate.format else {
      return
        "the scheme is certified as '\(scheme.name)', which is written as \(scheme.container.format), and the format as \(certificate.format)"
    }
    guard case .dtype(let dtype) = scheme.type, quantization.tensorTypes.isEmpty, !has(dtype),
      !isSaid("nothing-quantized"), !isSaid("type-substituted", "\(dtype.rawValue) →")
    else { return nil }
    return "the scheme is certified as '\(scheme.name)', and no tensor is \(dtype.rawValue)"
  }
}
