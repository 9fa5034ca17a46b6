import FileContainers
import TensorModel

/// What is said where the configuration says something else of codes than the file, or than another file.
enum ContradictedSettings {
  private static let check = "quantization-settings"
  /// What old programs, and GPTQ's own, read instead of the model's configuration.
  private static let fileName = "quantize_config.json"
  private static let keys = [
    "bits", "group_size", "sym", "desc_act", "checkpoint_format", "quant_method",
  ]
  /// More than any has.
  private static let largestByteCount = 1 << 20
  /// There may be a setting for each module.
  private static let largestDifferenceCount = 6

  /// Groups that are said to be of neighbours and aren't.
  ///
  /// - Parameter part: the index, with its module's name.
  /// - Returns: what is said of it.
  static func order(_ part: String) -> Finding {
    Finding(
      .warning, check,
      "the configuration says 'desc_act': false, and the index has groups in another order than that of the inputs: the index counts, but vLLM doesn't read it then",
      tensor: part)
  }

  /// What the key that doesn't count says otherwise than the one that does.
  ///
  /// A setting that only one of them has is no contradiction, unless it says another program's method.
  ///
  /// - Parameter settings: what counts.
  /// - Returns: what is said of it, with both values of some settings; nil where both agree.
  static func rivals(_ settings: QuantizationSettings) -> Finding? {
    guard let (key, otherKey, other) = settings.rivals else { return nil }
    var differences: [String] = []
    for member in other.members ?? [] where differences.count < largestDifferenceCount {
      let own = settings[member.key]
      // Objects know where they stand in the file: their texts are compared.
      guard own?.documentText != member.value.documentText,
        !(own?.isSame(as: member.value) ?? (member.key != "quant_method"))
      else { continue }
      differences.append(
        "'\(member.key)' is \(own?.shortText ?? "not there") in one and \(member.value.shortText) in the other"
      )
    }
    if other["quant_method"] == nil, let method = settings["quant_method"],
      !(other.members ?? []).isEmpty
    {
      differences.append(
        "'quant_method' is \(method.shortText) in one and not there in the other")
    }
    guard !differences.isEmpty else { return nil }
    return Finding(
      .warning, check,
      "'\(key)' and '\(otherKey)' of config.json contradict each other: \(differences.joined(separator: "; ")); for such weights '\(key)' counts",
      file: "config.json")
  }

  /// The configuration where it says something of codes; where it doesn't, one with what `quantize_config.json` says of them.
  ///
  /// AutoGPTQ wrote nothing of them into `config.json` at first.
  ///
  /// - Parameters:
  ///   - configuration: the model's; nil without one.
  ///   - assets: the files beside the weights.
  /// - Returns: what says how weights are quantized.
  /// - Throws: what reading throws.
  static func completed(
    _ configuration: JSONValue?, _ assets: [Checkpoint.Asset]
  ) throws(CheckpointError) -> JSONValue? {
    guard QuantizedWeights.configurationKeys.allSatisfy({ configuration?[$0]?.members == nil }),
      let document = try document(assets), document["bits"] != nil
    else { return configuration }
    return .object([.init(QuantizedWeights.configurationKeys[0], document)])
  }

  /// `quantize_config.json`; nil without it, and for one that isn't JSON, which is said where files beside the weights are looked at.
  private static func document(
    _ assets: [Checkpoint.Asset]
  ) throws(CheckpointError) -> JSONValue? {
    guard let file = assets.first(where: { $0.name == fileName }),
      file.byteCount <= largestByteCount
    else { return nil }
    let bytes = try file.read(0, file.byteCount)
    return try? JSONValue(parsing: bytes, dialect: .python)
  }

  /// What `quantize_config.json` says otherwise than `config.json`.
  ///
  /// - Parameters:
  ///   - assets: the files beside the weights.
  ///   - settings: those of `config.json`.
  /// - Returns: at most one finding, with both values of each setting.
  /// - Throws: what reading throws.
  static func files(
    _ assets: [Checkpoint.Asset], _ settings: QuantizationSettings
  ) throws(CheckpointError) -> [Finding] {
    guard settings.document != nil, let document = try document(assets) else { return [] }
    let differences = keys.compactMap { key -> String? in
      guard let one = settings[key], let other = document[key], one != other else { return nil }
      return "'\(key)' is \(one.shortText) in one and \(other.shortText) in the other"
    }
    guard !differences.isEmpty else { return [] }
    return [
      Finding(
        .warning, check,
        "config.json and \(fileName) contradict each other: \(differences.joined(separator: "; ")); config.json counts where the weights don't tell",
        file: fileName)
    ]
  }
}
