public import FileContainers
public import TensorModel

/// Keys and values of a training's configuration, out of one file or several.
public struct NeoXSettings: Sendable {
  private var values: [ExactName: (value: JSONValue, file: String)] = [:]

  /// No settings.
  public init() {}

  /// Whether there are none.
  public var isEmpty: Bool { values.isEmpty }

  /// Takes in a file's settings.
  ///
  /// - Parameters:
  ///   - document: a mapping.
  ///   - file: where it is from.
  /// - Throws: `malformed` for anything else, and for a key that says something else than it did before, however it was spelled.
  public mutating func add(_ document: JSONValue, from file: String) throws(CheckpointError) {
    guard let members = document.members else {
      throw CheckpointError(
        .malformed, "a configuration is a mapping of keys to values", file: file,
        found: document.shortText)
    }
    for member in members {
      let key = ExactName(member.key.replacing("-", with: "_"))
      if let known = values[key], !known.value.isSame(as: member.value) {
        throw CheckpointError(
          .malformed, "the setting '\(key.text)' is there twice, with different values", file: file,
          expected: "\(known.value.shortText), as in \(known.file)",
          found: member.value.shortText, hint: "remove the one that the training didn't use")
      }
      values[key] = (member.value, file)
    }
  }

  /// What a key says; nil for nothing, and for `null`.
  public subscript(key: String) -> JSONValue? {
    let value = values[ExactName(key)]?.value
    return value == .null ? nil : value
  }

  /// The same settings in the training code's keys, where they are a `config.json` of Hugging Face's.
  ///
  /// - Throws: `unsupported` for that of another family.
  public func translated() throws(CheckpointError) -> NeoXSettings {
    guard let type = self["model_type"] else { return self }
    guard type.text == Architecture.gptNeoX.name else {
      throw CheckpointError(
        .unsupported, "the configuration of another family",
        expected: "\"model_type\": \"\(Architecture.gptNeoX.name)\"", found: type.shortText)
    }
    var other = NeoXSettings()
    for (theirs, ours) in [
      ("num_hidden_layers", "num_layers"), ("hidden_size", "hidden_size"),
      ("num_attention_heads", "num_attention_heads"),
      ("max_position_embeddings", "max_position_embeddings"),
      ("intermediate_size", "intermediate_size"), ("layer_norm_eps", "layernorm_epsilon"),
      ("rotary_emb_base", "rotary_emb_base"),
    ] {
      if let entry = values[ExactName(theirs)] { other.values[ExactName(ours)] = entry }
    }
    let rotary = self["rope_parameters"]
    func set(_ key: String, _ value: JSONValue) { other.values[ExactName(key)] = (value, place) }
    let place = values[ExactName("model_type")]?.file ?? ""
    set("pos_emb", .string("rotary"))
    // The class's own defaults.
    set("rotary_pct", self["rotary_pct"] ?? rotary?["partial_rotary_factor"] ?? .number("0.25"))
    if let base = rotary?["rope_theta"] { set("rotary_emb_base", base) }
    set("gpt_j_residual", self["use_parallel_residual"] ?? .bool(true))
    set("no_weight_tying", .bool(!(self["tie_word_embeddings"]?.boolean ?? false)))
    let activation = self["hidden_act"]?.text ?? "gelu"
    let isApproximated = ["gelu_fast", "gelu_new", "gelu_pytorch_tanh"].contains(activation)
    set("activation", .string(isApproximated ? "gelu" : activation))
    set("bias_gelu_fusion", .bool(isApproximated))
    return other
  }

  // MARK: Values

  func optionalCount(_ key: String, below limit: Int = 1 << 31) throws(CheckpointError) -> Int? {
    guard let value = self[key] else { return nil }
    guard let number = value.integer, number > 0, number < limit else {
      throw misfit(key, "an integer, at least 1 and less than \(limit)", found: value.shortText)
    }
    return number
  }

  func count(_ key: String, below limit: Int = 1 << 31) throws(CheckpointError) -> Int {
    guard let number = try optionalCount(key, below: limit) else {
      throw misfit(key, "an integer", found: values[ExactName(key)] == nil ? "nothing" : "null")
    }
    return number
  }

  func flag(_ key: String, default standard: Bool) throws(CheckpointError) -> Bool {
    guard let value = try value(key) else { return standard }
    guard let flag = value.boolean else {
      throw misfit(key, "true or false", found: value.shortText)
    }
    return flag
  }

  func number(_ key: String, default standard: Double) throws(CheckpointError) -> Double {
    guard let value = try value(key) else { return standard }
    guard let number = value.double, number.isFinite, number > 0 else {
      throw misfit(key, "a number above 0", found: value.shortText)
    }
    return number
  }

  func text(_ key: String, default standard: String) throws(CheckpointError) -> String {
    guard let value = try value(key) else { return standard }
    guard let text = value.text else { throw misfit(key, "a text", found: value.shortText) }
    return text
  }

  /// What a key says; a `null` in the place of something that changes the model is no answer.
  private func value(_ key: String) throws(CheckpointError) -> JSONValue? {
    guard let value = values[ExactName(key)]?.value else { return nil }
    guard value != .null else { throw misfit(key, "a value", found: "null") }
    return value
  }

  func misfit(_ key: String, _ expected: String, found: String) -> CheckpointError {
    CheckpointError(
      .usage, "the setting '\(key)' can't be used", file: values[ExactName(key)]?.file,
      expected: expected, found: found,
      hint: "take it from the files that the model was trained with (configs/*.yml)")
  }

  func unsupported(_ key: String, _ expected: [String]) -> CheckpointError {
    CheckpointError(
      .unsupported, "Hugging Face's GPT-NeoX can't express this model's '\(key)'",
      file: values[ExactName(key)]?.file, expected: expected.joined(separator: " or "),
      found: self[key]?.shortText ?? "nothing, which means something else",
      hint: "there is no rule here for merging and naming the weights of such a model")
  }

  // MARK: What no other family of the same training code may pass for

  /// Keys whose other values make a model that isn't of the family, with the training code's default first.
  private static let fixed: [(key: String, standard: JSONValue, allowed: [JSONValue])] = [
    ("pos_emb", "learned", ["rotary"]), ("norm", "layernorm", ["layernorm"]),
    ("gpt_j_tied", false, [false]), ("output_layer_parallelism", "column", ["column"]),
    ("mlp_type", "regular", ["regular"]), ("use_qk_layernorm", false, [false]),
    ("use_mup", false, [false]), ("moe_num_experts", 1, [0, 1]),
    ("sliding_window_width", .null, []),
    ("num_kv_heads", .null, []), ("num_unique_layers", .null, []),
  ]
  /// Kinds of attention that compute the same.
  private static let attentions: Set = ["global", "flash"]

  static func requireKnown(_ settings: NeoXSettings) throws(CheckpointError) {
    for (key, standard, allowed) in fixed {
      let value = settings[key] ?? standard
      let isGiven = settings[key] != nil
      // As many as there are is what no number says.
      if key == "num_unique_layers", value.isSame(as: settings["num_layers"] ?? .null) { continue }
      if key == "num_kv_heads", isGiven,
        value.isSame(as: settings["num_attention_heads"] ?? .null)
      {
        continue
      }
      if !isGiven && standard == .null { continue }
      guard allowed.contains(where: { $0.isSame(as: value) }) else {
        throw settings.unsupported(key, allowed.isEmpty ? ["nothing"] : allowed.map(\.shortText))
      }
    }
    if let attention = settings["attention_config"] {
      var open = [attention]
      while let value = open.popLast() {
        if let elements = value.elements {
          open += elements
        } else if let text = value.text {
          guard attentions.contains(text) || text == "all" else {
            throw settings.unsupported("attention_config", attentions.sorted())
          }
        }
      }
    }
  }
}
