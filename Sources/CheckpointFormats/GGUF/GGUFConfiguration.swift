import FileContainers
import ModelArchitectures
import TensorModel

/// A model's configuration in Hugging Face's form, from the keys of a GGUF file.
struct GGUFConfiguration {
  /// The key in which files that were written here say which family a model is of, where `general.architecture` names another one's graph.
  static let familyKey = "weighbridge.model_type"

  /// The family; nil if it isn't known.
  let architecture: Architecture?
  private let header: GGUFHeader
  private let prefix: String
  private let shapes: [ExactName: Shape]
  private let rotaryDivisors: [Float]?

  /// Of a file, or of the first part of a set.
  ///
  /// - Parameters:
  ///   - header: of the first part.
  ///   - tensors: of all parts.
  ///   - rotaryDivisors: the values of `GGUFRotaryKeys.divisors`; nil if there are none.
  init(_ header: GGUFHeader, _ tensors: [TensorInfo], rotaryDivisors: [Float]?) {
    self.header = header
    self.rotaryDivisors = rotaryDivisors
    shapes = Dictionary(uniqueKeysWithValues: tensors.map { (ExactName($0.name), $0.shape) })
    let name = header["general.architecture"]?.text
    prefix = name ?? ""
    let family = header[Self.familyKey]?.text
    // Adapters and importances name the architecture of the model that they are for.
    let isModel = header["general.type"].map { $0.text == "model" } ?? true
    let tables = isModel && name != nil ? Architectures.all : []
    architecture = tables.first { architecture in
      architecture.gguf?.architecture == name
        && (family == nil || architecture.name == family)
        // A file that says nothing more is of the model that the graph was made for.
        && (family != nil || architecture.name != Architecture.gptj.name)
    }
  }

  /// `config.json`; nil for families that aren't known.
  ///
  /// - Throws: `malformed` for keys that are missing, `unsupported` for settings that can't be expressed.
  func document() throws(CheckpointError) -> JSONValue? {
    guard let architecture else { return nil }
    let members: [JSONValue.Member] =
      switch architecture.name {
      case "gptj": try gptj()
      case "gpt2": try gpt2()
      case "gpt_neox": try gptNeoX()
      default: try llama()
      }
    return .object(
      [
        .init("architectures", .array([.string(architecture.modelClass)])),
        .init("model_type", .string(architecture.name)),
      ] + members)
  }

  // MARK: Families

  private func gptj() throws(CheckpointError) -> [JSONValue.Member] {
    let rotated = try count("rope.dimension_count")
    guard try rotaryScaling(rotated).isEmpty else {
      throw CheckpointError(
        .unsupported, "rotary positions that are scaled, which GPT-J's never are", hint: Self.hint)
    }
    return try gpt() + [
      .init("rotary_dim", .integer(rotated)), .init("tie_word_embeddings", .bool(false)),
    ]
  }

  private func gpt2() throws(CheckpointError) -> [JSONValue.Member] {
    try gpt() + [.init("tie_word_embeddings", .bool(isTied))]
  }

  /// What GPT-2 and GPT-J have under the same names.
  private func gpt() throws(CheckpointError) -> [JSONValue.Member] {
    [
      .init("activation_function", .string("gelu_new")),
      .init("layer_norm_epsilon", try number("attention.layer_norm_epsilon")),
      .init("n_embd", try integer("embedding_length")),
      .init("n_head", try integer("attention.head_count")),
      .init("n_inner", try integer("feed_forward_length")),
      .init("n_layer", try integer("block_count")),
      .init("n_positions", try integer("context_length")),
      .init("vocab_size", try vocabulary()),
    ]
  }

  private func gptNeoX() throws(CheckpointError) -> [JSONValue.Member] {
    let width = try count("embedding_length") / (try count("attention.head_count"))
    let rotated = try count("rope.dimension_count")
    return try shared() + rotaryScaling(rotated) + [
      .init("hidden_act", .string("gelu")),
      .init("layer_norm_eps", try number("attention.layer_norm_epsilon")),
      .init("rotary_emb_base", try number("rope.freq_base", default: 10000)),
      .init("rotary_pct", .number("\(Self.fraction(rotated, of: width))")),
      .init("tie_word_embeddings", .bool(isTied)),
      .init("use_parallel_residual", .bool(value("use_parallel_residual")?.flag ?? true)),
    ]
  }

  private func llama() throws(CheckpointError) -> [JSONValue.Member] {
    var members =
      try shared() + [
        .init("hidden_act", .string("silu")),
        .init(
          "num_key_value_heads", try integer("attention.head_count_kv", or: "attention.head_count")),
        .init("rms_norm_eps", try number("attention.layer_norm_rms_epsilon")),
        .init("rope_theta", try number("rope.freq_base", default: 10000)),
        .init("tie_word_embeddings", .bool(isTied)),
      ]
    let width = try count("embedding_length") / (try count("attention.head_count"))
    members += try rotaryScaling(value("attention.key_length")?.integer ?? width)
    if architecture?.name != Architecture.qwen2.name {
      // The keys don't tell, the tensors do.
      members += [
        .init("attention_bias", .bool(hasTensor("blk.0.attn_q.bias"))),
        .init("mlp_bias", .bool(hasTensor("blk.0.ffn_up.bias"))),
      ]
    }
    if let width = value("attention.key_length")?.integer {
      members.append(.init("head_dim", .integer(width)))
    }
    if let window = value("attention.sliding_window")?.integer {
      members.append(.init("sliding_window", .integer(window)))
    }
    return members
  }

  private func shared() throws(CheckpointError) -> [JSONValue.Member] {
    [
      .init("hidden_size", try integer("embedding_length")),
      .init("intermediate_size", try integer("feed_forward_length")),
      .init("max_position_embeddings", try integer("context_length")),
      .init("num_attention_heads", try integer("attention.head_count")),
      .init("num_hidden_layers", try integer("block_count")),
      .init("vocab_size", try vocabulary()),
    ]
  }

  /// `rope_scaling`, if so many rotated dimensions of a head have other frequencies than the base says.
  private func rotaryScaling(_ dimensions: Int) throws(CheckpointError) -> [JSONValue.Member] {
    let base = try number("rope.freq_base", default: 10000).double ?? 10000
    let scaling = try GGUFRotaryKeys.setting(
      header, prefix, divisors: rotaryDivisors, dimensions: dimensions, base: base)
    return scaling.map { [.init("rope_scaling", $0)] } ?? []
  }

  // MARK: Keys

  /// What helps where the keys don't.
  static let hint = "pass the model's config.json with --config"

  private func value(_ key: String) -> GGUFValue? { header["\(prefix).\(key)"] }

  private func count(_ key: String) throws(CheckpointError) -> Int {
    guard let number = value(key)?.integer, number > 0 else {
      throw CheckpointError(
        .malformed, "the metadata lack a number", expected: "'\(prefix).\(key)'",
        found: value(key) == nil ? "nothing" : "something else", hint: Self.hint)
    }
    return number
  }

  private func integer(
    _ key: String, or other: String? = nil
  ) throws(CheckpointError) -> JSONValue {
    if let other, value(key) == nil { return .integer(try count(other)) }
    return .integer(try count(key))
  }

  /// What a binary32 was written as: 1e-05, not 9.99999974737875e-06.
  private func number(
    _ key: String, default standard: Double? = nil
  ) throws(CheckpointError) -> JSONValue {
    if let standard, value(key) == nil { return .number("\(standard)") }
    guard let value = value(key)?.number, Float(value).isFinite else {
      throw CheckpointError(
        .malformed, "the metadata lack a number", expected: "'\(prefix).\(key)'", hint: Self.hint)
    }
    return .number("\(Float(value))")
  }

  /// The fraction of a width that makes so many when it is multiplied with it and rounded down.
  private static func fraction(_ count: Int, of width: Int) -> Double {
    let fraction = Double(count) / Double(max(1, width))
    return fraction * Double(width) < Double(count) ? fraction.nextUp : fraction
  }

  private func hasTensor(_ name: String) -> Bool { shapes[ExactName(name)] != nil }

  private var isTied: Bool { !hasTensor("output.weight") }

  private func vocabulary() throws(CheckpointError) -> JSONValue {
    let name = ExactName("token_embd.weight")
    guard let shape = shapes[name], shape.rank == 2 else {
      throw CheckpointError(
        .malformed, "there is no embedding of tokens", tensor: name.text)
    }
    return .integer(shape.dimensions[0])
  }
}
