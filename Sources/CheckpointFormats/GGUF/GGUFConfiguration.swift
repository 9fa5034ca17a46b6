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

  /// Of a file.
  init(_ header: GGUFHeader) {
    self.header = header
    let name = header["general.architecture"]?.text
    prefix = name ?? ""
    let family = header[Self.familyKey]?.text
    architecture = Architectures.all.first { architecture in
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
    [
      .init("activation_function", .string("gelu_new")),
      .init("layer_norm_epsilon", try number("attention.layer_norm_epsilon")),
      .init("n_embd", try integer("embedding_length")),
      .init("n_head", try integer("attention.head_count")),
      .init("n_inner", try integer("feed_forward_length")),
      .init("n_layer", try integer("block_count")),
      .init("n_positions", try integer("context_length")),
      .init("rotary_dim", try integer("rope.dimension_count")),
      .init("tie_word_embeddings", .bool(false)), .init("vocab_size", try vocabulary()),
    ]
  }

  private func gpt2() throws(CheckpointError) -> [JSONValue.Member] {
    [
      .init("activation_function", .string("gelu_new")),
      .init("layer_norm_epsilon", try number("attention.layer_norm_epsilon")),
      .init("n_embd", try integer("embedding_length")),
      .init("n_head", try integer("attention.head_count")),
      .init("n_inner", try integer("feed_forward_length")),
      .init("n_layer", try integer("block_count")),
      .init("n_positions", try integer("context_length")),
      .init("tie_word_embeddings", .bool(isTied)), .init("vocab_size", try vocabulary()),
    ]
  }

  private func gptNeoX() throws(CheckpointError) -> [JSONValue.Member] {
    let width = try count("embedding_length") / max(1, try count("attention.head_count"))
    let rotated = try count("rope.dimension_count")
    return try shared() + [
      .init("hidden_act", .string("gelu")),
      .init("layer_norm_eps", try number("attention.layer_norm_epsilon")),
      .init("rotary_emb_base", number("rope.freq_base", default: 10000)),
      .init("rotary_pct", Self.json(Double(rotated) / Double(max(1, width)))),
      .init("tie_word_embeddings", .bool(isTied)),
      .init("use_parallel_residual", .bool(value("use_parallel_residual")?.flag ?? true)),
    ]
  }

  private func llama() throws(CheckpointError) -> [JSONValue.Member] {
    guard value("rope.scaling.type").map({ $0.text == "none" }) ?? true,
      !header.tensors.contains(where: { $0.name.hasPrefix("rope_freqs") })
    else {
      throw CheckpointError(
        .unsupported, "rotary positions that are scaled can't be read from a GGUF file yet",
        found: value("rope.scaling.type")?.text ?? "rope_freqs.weight",
        hint: "pass the model's config.json with --config")
    }
    var members =
      try shared() + [
        .init("hidden_act", .string("silu")),
        .init(
          "num_key_value_heads", try integer("attention.head_count_kv", or: "attention.head_count")),
        .init("rms_norm_eps", try number("attention.layer_norm_rms_epsilon")),
        .init("rope_theta", number("rope.freq_base", default: 10000)),
        .init("tie_word_embeddings", .bool(isTied)),
      ]
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

  // MARK: Keys

  private func value(_ key: String) -> GGUFValue? { header["\(prefix).\(key)"] }

  private func count(_ key: String) throws(CheckpointError) -> Int {
    guard let number = value(key)?.integer, number > 0 else {
      throw CheckpointError(
        .malformed, "the metadata lack a number", expected: "'\(prefix).\(key)'",
        found: value(key) == nil ? "nothing" : "something else")
    }
    return number
  }

  private func integer(
    _ key: String, or other: String? = nil
  ) throws(CheckpointError) -> JSONValue {
    if let other, value(key) == nil { return .integer(try count(other)) }
    return .integer(try count(key))
  }

  private func number(_ key: String) throws(CheckpointError) -> JSONValue {
    guard let value = value(key)?.number, value.isFinite else {
      throw CheckpointError(
        .malformed, "the metadata lack a number", expected: "'\(prefix).\(key)'")
    }
    return Self.json(value)
  }

  private func number(_ key: String, default standard: Double) -> JSONValue {
    Self.json(value(key)?.number ?? standard)
  }

  /// What a binary32 was written as: 1e-05, not 9.99999974737875e-06.
  private static func json(_ value: Double) -> JSONValue { .number("\(Float(value))") }

  private var isTied: Bool { !header.tensors.contains { $0.name == "output.weight" } }

  private func vocabulary() throws(CheckpointError) -> JSONValue {
    let embedding = header.tensors.first { $0.name == "token_embd.weight" }
    guard let embedding, embedding.shape.rank == 2 else {
      throw CheckpointError(
        .malformed, "there is no embedding of tokens", tensor: "token_embd.weight")
    }
    return .integer(embedding.shape.dimensions[0])
  }
}
