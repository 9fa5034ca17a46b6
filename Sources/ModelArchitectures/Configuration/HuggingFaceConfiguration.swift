public import FileContainers
public import TensorModel

/// A model's `config.json` in Hugging Face's form, which is read in two ways: for the sizes of its tensors, and for what it computes.
public struct HuggingFaceConfiguration: Sendable {
  /// The text as it was.
  public let bytes: [UInt8]
  /// The parsed document.
  public let document: JSONValue

  /// What messages call the file.
  public static let fileName = "config.json"

  /// Parses a configuration.
  ///
  /// - Throws: `malformed` with line and column, and for what isn't a configuration at all.
  public init(parsing bytes: [UInt8]) throws(CheckpointError) {
    self.bytes = bytes
    document = try JSONFile.parse(bytes, Self.fileName)
    guard document.members != nil else {
      throw CheckpointError(
        .malformed, "a configuration is a JSON object", file: Self.fileName,
        found: document.shortText, hint: "get the model's own config.json again")
    }
  }

  /// The family's name.
  public var modelType: String? { document["model_type"]?.text }

  /// The family, if it is known.
  public var architecture: Architecture? { modelType.flatMap(Architectures.named) }

  /// The sizes of a family whose table is known: which tensors there are, and their shapes.
  ///
  /// - Throws: `usage` for a key that is missing or no positive integer, or too large for any model; `unsupported` for other families.
  public func dimensions() throws(CheckpointError) -> Architecture.Dimensions {
    let architecture = try knownArchitecture()
    var settings = SettingsReader(
      architecture.settings(in: document), architecture.settings)
    return try architecture.sizes(&settings)
  }

  /// The family.
  ///
  /// - Throws: `unsupported` if it isn't known.
  func knownArchitecture() throws(CheckpointError) -> Architecture {
    guard let architecture else {
      throw CheckpointError(
        .unsupported, "no table for this family", file: Self.fileName,
        expected: "'model_type': \(Architectures.all.map(\.name).joined(separator: ", "))",
        found: modelType ?? "no model_type",
        hint:
          "models of other families can be converted, compressed and verified by their tensors' names"
      )
    }
    return architecture
  }

  /// What stands on top of the decoder, as `architectures` says it.
  public var head: ModelHead {
    ModelHead(classes: document["architectures"]?.elements?.compactMap(\.text) ?? [])
  }

  /// The dtype of 16 or 32 bits that the model is said to compute in; nil where nothing says it.
  public var computationDType: DType? {
    let name = (document["dtype"] ?? document["torch_dtype"])?.text
    return [DType.bf16, .f16, .f32].first { $0.torchName == name?.replacing("torch.", with: "") }
  }

  /// How many classes a head for classification tells apart: `id2label`'s, or `num_labels`; two where neither says.
  ///
  /// Source: `PreTrainedConfig` of transformers.
  public var labelCount: Int {
    document["id2label"]?.members?.count ?? document["num_labels"]?.integer ?? 2
  }

  /// What a person should know of it: settings that nobody reads, code of its own.
  public var findings: [Finding] {
    var findings: [Finding] = []
    if let code = document["auto_map"], code != .null {
      let names = (code.members ?? []).compactMap {
        $0.value.text ?? $0.value.elements?.first?.text
      }
      findings.append(
        Finding(
          .warning, "custom-code",
          "the model has code of its own (auto_map: \(names.joined(separator: ", "))), which isn't looked at: it is taken for transformers' '\(modelType ?? "?")'",
          file: Self.fileName))
    }
    let unknown = architecture.map { $0.settings.unknownKeys(in: $0.settings(in: document)) } ?? []
    if !unknown.isEmpty {
      findings.append(
        Finding(
          .note, "unknown-setting",
          "\(unknown.count == 1 ? "a setting" : "settings") that transformers' class doesn't read: \(unknown.joined(separator: ", "))",
          file: Self.fileName))
    }
    return findings
  }

  /// The configuration of the language model alone, of models that have other parts; nil for others.
  public var languageModel: HuggingFaceConfiguration? {
    guard let architecture, let nested = architecture.nested,
      let family = Architectures.named(nested.family)
    else { return nil }
    let own = (architecture.settings(in: document).members ?? []).filter {
      !["architectures", "model_type"].contains($0.key)
    }
    let outer = (document.members ?? []).filter { member in
      ["dtype", "torch_dtype", "bos_token_id", "eos_token_id", "pad_token_id"].contains(member.key)
        && !own.contains { $0.key == member.key }
    }
    let members: [JSONValue.Member] = [
      .init("architectures", .array([.string(family.modelClass)])),
      .init("model_type", .string(family.name)),
    ]
    let text = JSONValue.object(members + outer + own).documentText + "\n"
    return try? HuggingFaceConfiguration(parsing: Array(text.utf8))
  }

  /// The text with `quantization_config` as MXFP4 has it, or without it; the text as it is where that is right.
  ///
  /// - Parameter isMXFP4: whether experts are blocks of MXFP4.
  /// - Returns: the text.
  public func settingMXFP4(_ isMXFP4: Bool) -> [UInt8] {
    let key = "quantization_config"
    guard isMXFP4 != (document[key]?["quant_method"]?.text == "mxfp4") else { return bytes }
    guard isMXFP4 else { return removing([key]) }
    let kept = ["self_attn", "mlp.router"].map { "model.layers.*.\($0)" }
    return setting(
      key,
      to: .object([
        .init("quant_method", .string("mxfp4")),
        .init(
          "modules_to_not_convert",
          .array((kept + ["model.embed_tokens", "lm_head"]).map { .string($0) })),
      ]))
  }

  /// The text with a key of that value, whatever it had before.
  public func setting(_ key: String, to value: JSONValue) -> [UInt8] {
    var members = (document.members ?? []).filter { $0.key != key }
    members.append(.init(key, value))
    return Array((JSONValue.object(members).documentText + "\n").utf8)
  }

  /// The text without some of its keys; as it is where it has none of them.
  public func removing(_ keys: [String]) -> [UInt8] {
    let members = document.members ?? []
    let kept = members.filter { !keys.contains($0.key) }
    return kept.count == members.count
      ? bytes : Array((JSONValue.object(kept).documentText + "\n").utf8)
  }

  /// The text with the weights' dtype replaced where it is named, and nothing else changed.
  ///
  /// - Parameter torchName: PyTorch's name of the new dtype, such as `float16`.
  /// - Returns: the edited text.
  public func settingDType(_ torchName: String) -> [UInt8] {
    var result = bytes
    for member in (document.members ?? []).reversed() {
      guard ["dtype", "torch_dtype"].contains(member.key), member.value.text != nil,
        let range = member.range
      else { continue }
      result.replaceSubrange(range, with: Array("\"\(torchName)\"".utf8))
    }
    return result
  }
}

/// What stands on top of a decoder.
public enum ModelHead: Hashable, Sendable {
  /// Weights that make logits of all tokens.
  case languageModel
  /// Nothing: the class is a bare model, as embedding models have it.
  case none
  /// Something for another task, by the class's name.
  case other(String)

  /// What classes that `architectures` names have; without any, what most have.
  init(classes: [String]) {
    let isLanguageModel: (String) -> Bool = { name in
      ["CausalLM", "LMHead", "DoubleHeads", "ConditionalGeneration"].contains(where: name.contains)
    }
    if classes.isEmpty || classes.contains(where: isLanguageModel) {
      self = .languageModel
    } else if let other = classes.first(where: { !$0.hasSuffix("Model") }) {
      self = other.contains("For") ? .other(other) : .languageModel
    } else {
      self = .none
    }
  }

  /// Beginnings of the names of tensors that heads for other tasks have, in transformers and in TRL.
  public static let otherNames = [
    "score.", "classifier.", "qa_outputs.", "multiple_choice_head.", "v_head.", "value_head.",
    "reward_head.", "regression_head.",
  ]
}
