import FileContainers
import ModelArchitectures
import TensorModel

/// What is wrong where the configuration says something else of quantization than the weights: other programs load none of them.
enum QuantizationClaim {
  /// Methods of one layout each, which nobody else's weights have.
  private static let ofOneLayout = [GPTQ.method, AWQ.method, BitsAndBytesBlocks.method]
  /// Methods whose weights are of several layouts, or are stored as other programs' are.
  private static let ofSeveralLayouts = [
    CompressedTensors.method, "fbgemm_fp8", ScaledFP8.method, ModelOptNVFP4.method,
    MXFP4Blocks.method,
  ]
  /// Methods whose loaders make codes of floats as they load them (transformers: quantizers/auto.py).
  private static let whileLoading = [
    BitsAndBytesBlocks.method, "bitnet", "eetq", "fp_quant", "higgs", "hqq", "quanto", "sinq",
    "torchao",
  ]
  /// States of compressed-tensors in which weights aren't codes yet (compressed_tensors: QuantizationStatus).
  private static let uncompressedStates = ["initialized", "calibration", "frozen"]
  /// Files that say it instead of the configuration: GPTQ's, AWQ's and ModelOpt's own (vLLM: get_config_filenames).
  private static let fileNames = [
    "quantize_config.json", "quant_config.json", "hf_quant_config.json",
  ]

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
      || (ofSeveralLayouts + whileLoading).contains(said)
        && methods.allSatisfy(ofOneLayout.contains)
    guard isOther else { return nil }
    return error(
      "the weights are quantized in another way than the configuration says", settings,
      tensor: example, expected: "'quant_method': \"\(own)\"",
      hint: "correct 'quant_method' in config.json, or use the configuration of these weights")
  }

  /// A claim that is none, codes of which nothing is said, or a claim of codes where there are none.
  ///
  /// - Parameters:
  ///   - configuration: the model's.
  ///   - quantized: its weights that are codes; nil if there are none.
  ///   - tensors: all of them.
  ///   - assets: the files beside them.
  ///   - isOfBlocks: whether the family has blocks of MXFP4 of its own, whose claim is compared elsewhere.
  /// - Returns: what is wrong, and how much that matters; nil where both agree.
  static func contradiction(
    _ configuration: JSONValue, _ quantized: QuantizedWeights?, _ tensors: [TensorInfo],
    beside assets: [Checkpoint.Asset], isOfBlocks: Bool
  ) -> (error: CheckpointError, severity: Finding.Severity)? {
    let key = QuantizedWeights.configurationKeys[0]
    if let value = configuration[key], value != .null, value.members == nil {
      return (
        CheckpointError(
          .malformed, "'\(key)' is none: other programs stop at it",
          file: HuggingFaceConfiguration.fileName, expected: "an object", found: value.shortText,
          hint: quantized == nil
            ? "remove '\(key)' from config.json" : "use the configuration of these weights"),
        .error
      )
    }
    let settings = QuantizationSettings(configuration)
    if isOfBlocks, settings.method == MXFP4Blocks.method { return nil }
    if let quantized { return unsaid(settings, quantized, assets) }
    return withoutCodes(configuration, settings, tensors)
  }

  /// Codes of which nobody says what they are.
  private static func unsaid(
    _ settings: QuantizationSettings, _ quantized: QuantizedWeights, _ assets: [Checkpoint.Asset]
  ) -> (error: CheckpointError, severity: Finding.Severity)? {
    let isOfMLX = quantized.method == MLXGroups.method
    let isSaid = settings.method != nil || settings.document != nil && (isOfMLX || loads(settings))
    guard !isSaid, !quantized.weights.isEmpty,
      !assets.contains(where: { fileNames.contains($0.name) })
    else { return nil }
    return (
      error(
        "weights are quantized, and the configuration doesn't say so", settings,
        tensor: quantized.example,
        expected: isOfMLX
          ? "'quantization'" : "'quantization_config' with 'quant_method': \"\(quantized.method)\"",
        hint: "use the configuration of these weights"),
      .error
    )
  }

  /// A claim of codes where there are none.
  private static func withoutCodes(
    _ configuration: JSONValue, _ settings: QuantizationSettings, _ tensors: [TensorInfo]
  ) -> (error: CheckpointError, severity: Finding.Severity)? {
    guard settings.document != nil else { return nil }
    let keys = QuantizedWeights.configurationKeys
    func said(
      _ key: String, _ severity: Finding.Severity
    ) -> (error: CheckpointError, severity: Finding.Severity) {
      (
        error(
          "the configuration says that weights are quantized, and none is", settings, tensor: nil,
          expected: "no '\(key)'", hint: "remove '\(key)' from config.json",
          isLoaded: severity != .error),
        severity
      )
    }
    // MLX alone reads the other key, and makes nothing of it without scales.
    guard configuration[keys[0]]?.members != nil else { return said(keys[1], .warning) }
    switch settings.method {
    // mlx_lm.convert writes both keys, where no weight fits, too.
    case nil:
      let isOfMLX = configuration[keys[1]]?.members != nil
      return loads(settings) ? nil : said(keys[0], isOfMLX ? .warning : .error)
    case BitsAndBytesBlocks.method: return nil
    case let method? where whileLoading.contains(method): return said(keys[0], .warning)
    case let method? where ofOneLayout.contains(method) || ofSeveralLayouts.contains(method):
      return isUncompressed(settings) || ignoresAll(settings, tensors) ? nil : said(keys[0], .error)
    default:
      // Nothing is known of a method's codes but that they are no floats.
      let mayBeCodes = tensors.contains { $0.shape.rank > 1 && isCode($0.dtype) }
      return mayBeCodes ? nil : said(keys[0], .error)
    }
  }

  /// Whether it is bitsandbytes' without a name, as older versions wrote it.
  private static func loads(_ settings: QuantizationSettings) -> Bool {
    ["load_in_4bit", "load_in_8bit"].contains { settings[$0]?.boolean == true }
  }

  /// Whether tensors of a dtype can be codes; positions and masks are of others.
  private static func isCode(_ dtype: DType) -> Bool {
    switch dtype {
    case .u8, .i8, .i16, .u16, .i32, .u32, .f8e4m3, .f8e5m2, .f8e4m3fnuz, .f8e5m2fnuz: true
    default: false
    }
  }

  /// Whether the configuration is compressed-tensors' and says itself that weights aren't codes.
  private static func isUncompressed(_ settings: QuantizationSettings) -> Bool {
    guard settings.method == CompressedTensors.method else { return false }
    let isSaid =
      settings["format"]?.text == "dense"
      || settings["quantization_status"]?.text.map(uncompressedStates.contains) ?? false
    // Only what attention keeps is quantized where no group has weights.
    let groups = settings["config_groups"]?.members
    return isSaid || groups.map { !$0.contains { $0.value["weights"]?.members != nil } } ?? false
  }

  /// Whether the configuration names every layer as one that isn't quantized, as where no layer fits a scheme.
  private static func ignoresAll(
    _ settings: QuantizationSettings, _ tensors: [TensorInfo]
  ) -> Bool {
    let ignored = Set(
      (settings["ignore"]?.elements ?? []).compactMap { $0.text.map { ExactName($0) } })
    let ending = ".weight"
    return !ignored.isEmpty
      && tensors.allSatisfy { tensor in
        guard tensor.shape.rank == 2, tensor.name.hasSuffix(ending) else { return true }
        let module = String(tensor.name.dropLast(ending.count))
        let last = module.split(separator: ".").last.map(String.init) ?? module
        return CompressedGroups.embeddings.contains(last) || ignored.contains(ExactName(module))
      }
  }

  private static func error(
    _ message: String, _ settings: QuantizationSettings, tensor: String?, expected: String,
    hint: String, isLoaded: Bool = false
  ) -> CheckpointError {
    let effect = isLoaded ? "may quantize them as they load them" : "load none of them"
    return CheckpointError(
      .malformed, "\(message): other programs \(effect)",
      file: HuggingFaceConfiguration.fileName, tensor: tensor, expected: expected,
      found: settings.method.map { "'quant_method': \"\($0)\"" }
        ?? (settings.document == nil ? "nothing" : "no 'quant_method'"), hint: hint)
  }
}
