import ModelArchitectures
import TensorModel

/// What is wrong where the configuration names another way of quantization than weights have: other programs load none of them.
enum QuantizationClaim {
  /// Methods of one layout each, which nobody else's weights have.
  private static let ofOneLayout = [GPTQ.method, AWQ.method, BitsAndBytesBlocks.method]
  /// Methods whose weights are of several layouts, or are stored as other programs' are.
  private static let ofSeveralLayouts = [
    "compressed-tensors", "fbgemm_fp8", "fp8", "modelopt", "mxfp4",
  ]
  /// Methods whose loaders want codes; bitsandbytes also makes them while it loads floats.
  private static let needingCodes = [GPTQ.method, AWQ.method, ScaledFP8.method]

  /// A claim of another method than that of the weights.
  ///
  /// - Parameters:
  ///   - settings: what the configuration says.
  ///   - methods: of the weights.
  ///   - example: a part of one, with its module's name.
  /// - Returns: nil where they agree, or where the method isn't known here.
  static func contradiction(
    _ settings: QuantizationSettings, _ methods: [String], _ example: String
  ) -> CheckpointError? {
    guard let said = settings.method, let own = methods.first, !methods.contains(said) else {
      return nil
    }
    let isOther =
      ofOneLayout.contains(said)
      || ofSeveralLayouts.contains(said) && methods.allSatisfy(ofOneLayout.contains)
    guard isOther else { return nil }
    return error(
      "the weights are quantized in another way than the configuration says", settings,
      tensor: example, expected: "'quant_method': \"\(own)\"",
      hint: "correct 'quant_method' in config.json, or use the configuration of these weights")
  }

  /// A claim of codes where there are none.
  ///
  /// - Parameter settings: what the configuration says.
  /// - Returns: nil where it says nothing, or a method that may do without.
  static func withoutCodes(_ settings: QuantizationSettings) -> CheckpointError? {
    guard let said = settings.method, needingCodes.contains(said) else { return nil }
    return error(
      "the configuration says that weights are quantized, and none is", settings, tensor: nil,
      expected: "no 'quantization_config'",
      hint: "remove 'quantization_config' from config.json")
  }

  private static func error(
    _ message: String, _ settings: QuantizationSettings, tensor: String?, expected: String,
    hint: String
  ) -> CheckpointError {
    CheckpointError(
      .malformed, "\(message): other programs load none of them",
      file: HuggingFaceConfiguration.fileName, tensor: tensor, expected: expected,
      found: settings.method.map { "'quant_method': \"\($0)\"" }, hint: hint)
  }
}
