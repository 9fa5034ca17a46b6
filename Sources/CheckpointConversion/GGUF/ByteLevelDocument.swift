import FileContainers
import TensorModel
import Tokenization

/// `tokenizer.json` of a byte-level BPE, from the keys of a GGUF file.
struct ByteLevelDocument {
  /// The document.
  let contents: JSONValue

  /// Nil for patterns that aren't known by their names, and for keys that don't make a tokenizer.
  init?(_ header: GGUFHeader, _ tokens: GGUFTokens) {
    guard let name = header["tokenizer.ggml.pre"]?.text, let cutting = TextCutting(ggufName: name),
      let merges = header["tokenizer.ggml.merges"]?.array?.texts,
      Set(tokens.texts.map { ExactName($0) }).count == tokens.texts.count
    else { return nil }
    // Tokens added at the end stand in their own list alone; rows without a token stand nowhere.
    let count = tokens.kinds.lastIndex(of: .normal).map { $0 + 1 } ?? 0
    var vocabulary: [JSONValue.Member] = []
    var added: [JSONValue] = []
    for (id, (text, kind)) in zip(tokens.texts, tokens.kinds).enumerated() {
      if id < count { vocabulary.append(.init(text, .integer(id))) }
      guard kind == .control || kind == .userDefined else { continue }
      added.append(
        .object([
          .init("id", .integer(id)), .init("content", .string(text)),
          .init("single_word", .bool(false)), .init("lstrip", .bool(false)),
          .init("rstrip", .bool(false)), .init("normalized", .bool(false)),
          .init("special", .bool(kind == .control)),
        ]))
    }
    let composes = ComposedTexts.composes(header, cutting)
    contents = .object([
      .init("version", .string("1.0")), .init("truncation", .null), .init("padding", .null),
      .init("added_tokens", .array(added)),
      .init("normalizer", composes ? .object([.init("type", .string("NFC"))]) : .null),
      .init("pre_tokenizer", Self.steps(cutting)),
      .init("post_processor", Self.template(tokens)),
      .init("decoder", Self.byteLevel(usesPattern: true)),
      .init(
        "model",
        .object([
          .init("type", .string("BPE")), .init("dropout", .null), .init("unk_token", .null),
          .init("continuing_subword_prefix", .null), .init("end_of_word_suffix", .null),
          .init("fuse_unk", .bool(false)), .init("byte_fallback", .bool(false)),
          // As llama.cpp does for the pattern of this name.
          .init("ignore_merges", .bool(TextCutting.ignoresMerges(ggufName: name))),
          .init("vocab", .object(vocabulary)),
          .init("merges", .array(merges.map { .string($0) })),
        ])),
    ])
  }

  private static func byteLevel(usesPattern: Bool) -> JSONValue {
    .object([
      .init("type", .string("ByteLevel")), .init("add_prefix_space", .bool(false)),
      .init("trim_offsets", .bool(true)), .init("use_regex", .bool(usesPattern)),
    ])
  }

  private static func steps(_ cutting: TextCutting) -> JSONValue {
    let steps: [JSONValue]
    switch cutting {
    case .gpt2: return byteLevel(usesPattern: true)
    case .llama3, .qwen2, .gpt4o, .bloom:
      steps = [split(cutting.expression ?? ""), byteLevel(usesPattern: false)]
    case .starcoder: steps = [digits(individual: true), byteLevel(usesPattern: true)]
    case .falcon:
      let punctuation = JSONValue.object([
        .init("type", .string("Punctuation")), .init("behavior", .string("Contiguous")),
      ])
      steps = [
        punctuation, byteLevel(usesPattern: true), digits(individual: false),
        split("[0-9][0-9][0-9]"),
      ]
    }
    return .object([
      .init("type", .string("Sequence")), .init("pretokenizers", .array(steps)),
    ])
  }

  private static func digits(individual: Bool) -> JSONValue {
    .object([.init("type", .string("Digits")), .init("individual_digits", .bool(individual))])
  }

  private static func split(_ expression: String) -> JSONValue {
    .object([
      .init("type", .string("Split")),
      .init("pattern", .object([.init("Regex", .string(expression))])),
      .init("behavior", .string("Isolated")), .init("invert", .bool(false)),
    ])
  }

  /// The tokens that are put around texts.
  private static func template(_ tokens: GGUFTokens) -> JSONValue {
    let names = [Tokenizer.Role.beginning, .end].map {
      tokens.adds($0) ?? false ? tokens.token($0) : nil
    }
    guard names.contains(where: { $0 != nil }) else { return byteLevel(usesPattern: true) }
    func piece(_ kind: String, _ id: String, type: Int) -> JSONValue {
      .object([
        .init(kind, .object([.init("id", .string(id)), .init("type_id", .integer(type))]))
      ])
    }
    func pieces(_ sequence: String, type: Int) -> [JSONValue] {
      [
        names[0].map { piece("SpecialToken", $0, type: type) },
        piece("Sequence", sequence, type: type),
        names[1].map { piece("SpecialToken", $0, type: type) },
      ].compactMap { $0 }
    }
    let special = Set(names.compactMap { $0 }).sorted().map { name in
      JSONValue.Member(
        name,
        .object([
          .init("id", .string(name)),
          .init("ids", .array([.integer(tokens.texts.firstIndex(of: name) ?? 0)])),
          .init("tokens", .array([.string(name)])),
        ]))
    }
    return .object([
      .init("type", .string("TemplateProcessing")),
      .init("single", .array(pieces("A", type: 0))),
      .init("pair", .array(pieces("A", type: 0) + pieces("B", type: 1))),
      .init("special_tokens", .object(special)),
    ])
  }
}
