// tokenizer.json, as Hugging Face's `tokenizers` writes it: an object of
//   model           {"type": "BPE", "vocab": {token: id}, "merges": ["a b"] or [["a", "b"]], and switches}
//   added_tokens    [{"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}]
//   normalizer      null or {"type": …}
//   pre_tokenizer   {"type": "ByteLevel" | "Split" | "Sequence", …}
//   post_processor  null or {"type": "TemplateProcessing" | "ByteLevel" | "Sequence", …}
//   decoder         {"type": "ByteLevel"}
//   truncation, padding   for batches of training: not applied, as in transformers
// https://github.com/huggingface/tokenizers

internal import FileContainers
internal import TensorModel

extension TokenizerDefinition {
  /// How many steps a pre-tokenizer may have; known ones have two.
  private static let maximumStepCount = 8
  /// How many tokens templates may put around a text; known ones put one or two.
  private static let maximumTemplateCount = 64

  /// The tokenizer of a `tokenizer.json`.
  ///
  /// - Parameter document: the file.
  /// - Throws: `unsupported` for another kind of tokenizer, `malformed`.
  init(tokenizerDocument document: JSONValue) throws(CheckpointError) {
    guard let model = document["model"], let members = model.members else {
      throw CheckpointError(.malformed, "no 'model' in the tokenizer")
    }
    let type = try model.string("type")
    // Files of before 2021 don't name the type.
    guard type ?? (model["merges"] == nil ? "unnamed" : "BPE") == "BPE" else {
      throw TokenizerFiles.unsupported(type.map { "a \($0) model" } ?? "a model without a type")
    }
    try Self.refuseOtherBPE(model)
    let preTokenizer = PreTokenizer(steps: try Self.steps(of: document["pre_tokenizer"]))
    let normalizer = try Self.normalizer(document["normalizer"])
    try Self.refuseOtherDecoder(document["decoder"])
    guard let vocabulary = members.first(where: { ExactName($0.key) == "vocab" })?.value.members,
      let merges = model["merges"]?.elements
    else { throw CheckpointError(.malformed, "a BPE model without 'vocab' and 'merges'") }

    self.init(vocabulary: try Vocabulary(vocabulary), preTokenizer: preTokenizer)
    self.normalizer = normalizer
    for merge in merges {
      let (left, right) = try Self.pair(merge)
      try self.vocabulary.appendMerge(left, right)
    }
    unknown = try model.string("unk_token")
    fusesUnknown = try model.flag("fuse_unk") ?? false
    ignoresMerges = try model.flag("ignore_merges") ?? false
    try prepare()
    try addTokens(document["added_tokens"])
    try addPostProcessor(document["post_processor"])
  }

  /// Switches that make BPE something else than GPT-2's.
  private static func refuseOtherBPE(_ model: JSONValue) throws(CheckpointError) {
    if try model.flag("byte_fallback") ?? false {
      throw TokenizerFiles.unsupported("BPE with byte fallback, as SentencePiece's models have it")
    }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let text = try model.string(key), !text.isEmpty {
        throw TokenizerFiles.unsupported("BPE with \(key) '\(text)'")
      }
    }
    if let dropout = model["dropout"], dropout != .null, dropout.double != 0 {
      throw TokenizerFiles.unsupported("BPE with dropout \(dropout.shortText)")
    }
  }

  /// `"a b"`, or `["a", "b"]` since 2024.
  static func pair(_ merge: JSONValue) throws(CheckpointError) -> (String, String) {
    if let text = merge.text, let pair = MergeLine.pair(text.utf8) { return pair }
    if let parts = merge.elements, parts.count == 2, let left = parts[0].text,
      let right = parts[1].text
    {
      return (left, right)
    }
    throw CheckpointError(
      .malformed, "a merge isn't two tokens", found: merge.shortText)
  }

  private static func normalizer(_ value: JSONValue?) throws(CheckpointError) -> Normalizer {
    guard let value, value != .null else { return .none }
    switch try value.string("type") {
    case "NFC": return .nfc
    case "Sequence":
      var result = Normalizer.none
      for element in value["normalizers"]?.elements ?? [] {
        if case .nfc = try normalizer(element) { result = .nfc }
      }
      return result
    case let type:
      throw TokenizerFiles.unsupported("the normalizer \(type ?? value.shortText)")
    }
  }

  /// The steps of a pre-tokenizer, which must end with the byte alphabet.
  private static func steps(of value: JSONValue?) throws(CheckpointError) -> [PreTokenizer.Step] {
    guard let value, value != .null else {
      throw TokenizerFiles.unsupported("BPE without a ByteLevel pre-tokenizer")
    }
    let parts = try value.string("type") == "Sequence" ? value["pretokenizers"]?.elements : [value]
    var steps: [PreTokenizer.Step] = []
    guard let parts, let last = parts.last, try last.string("type") == "ByteLevel" else {
      let types = (parts ?? []).map { $0["type"]?.text ?? "unnamed" }.joined(separator: ", ")
      throw TokenizerFiles.unsupported("BPE with the pre-tokenizer \(types)")
    }
    guard parts.count <= maximumStepCount else {
      throw TokenizerFiles.unsupported("a pre-tokenizer of \(parts.count) steps")
    }
    for part in parts.dropLast() { steps.append(try split(part)) }
    guard let addsSpace = try last.flag("add_prefix_space") else {
      throw CheckpointError(.malformed, "ByteLevel without 'add_prefix_space'")
    }
    if addsSpace { steps.append(.prefixSpace) }
    if try last.flag("use_regex") ?? true { steps.append(.split(.gpt2)) }
    return steps
  }

  private static func split(_ value: JSONValue) throws(CheckpointError) -> PreTokenizer.Step {
    let type = try value.string("type")
    guard type == "Split" else {
      throw TokenizerFiles.unsupported("BPE with the pre-tokenizer \(type ?? value.shortText)")
    }
    guard let expression = value["pattern"]?["Regex"]?.text else {
      throw TokenizerFiles.unsupported("text cut at \(value["pattern"]?.shortText ?? "nothing")")
    }
    guard let pattern = TextPattern(expression: expression) else {
      throw TokenizerFiles.unsupported("text cut by the pattern \(expression.prefix(400))")
    }
    // The patterns match every character, so these two are the same.
    let behaviour = (try value.string("behavior"), try value.flag("invert") ?? false)
    guard behaviour == ("Isolated", false) || behaviour == ("Removed", true) else {
      throw TokenizerFiles.unsupported(
        "text cut with behavior \(behaviour.0 ?? "unnamed"), invert \(behaviour.1)")
    }
    return .split(pattern)
  }

  private static func refuseOtherDecoder(_ value: JSONValue?) throws(CheckpointError) {
    guard let value, value != .null else { return }
    let type = try value.string("type")
    guard type == "ByteLevel" else {
      throw TokenizerFiles.unsupported("the decoder \(type ?? value.shortText)")
    }
  }

  private mutating func addTokens(_ value: JSONValue?) throws(CheckpointError) {
    guard let value, value != .null else { return }
    guard let tokens = value.elements else {
      throw CheckpointError(.malformed, "'added_tokens' isn't a list")
    }
    // The reference numbers tokens that the model doesn't have from its size on, and only warns of other ids.
    var next = vocabulary.count
    for token in tokens {
      guard let content = try token.string("content"), let id = token["id"]?.integer else {
        throw CheckpointError(
          .malformed, "an added token without id and content", found: token.shortText)
      }
      if content.isEmpty { continue }
      if vocabulary.id(of: content) == nil {
        guard id == next else {
          throw CheckpointError(
            .malformed, "the added token '\(content)' has an unexpected id", expected: "\(next)",
            found: "\(id)")
        }
        next += 1
      }
      try vocabulary.add(try AddedToken(id: id, content: content, flags: token))
    }
  }

  private mutating func addPostProcessor(_ value: JSONValue?) throws(CheckpointError) {
    guard let value, value != .null else { return }
    switch try value.string("type") {
    case "ByteLevel": break
    case "Sequence":
      for element in value["processors"]?.elements ?? [] { try addPostProcessor(element) }
    case "TemplateProcessing": try addTemplate(value)
    case let type:
      throw TokenizerFiles.unsupported("the post-processor \(type ?? value.shortText)")
    }
  }

  /// `"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]`, the ids in `special_tokens`.
  private mutating func addTemplate(_ value: JSONValue) throws(CheckpointError) {
    let pieces = value["single"]?.elements ?? []
    var (before, after): ([Int], [Int]) = ([], [])
    var sequences = 0
    for piece in pieces.prefix(Self.maximumTemplateCount) {
      if piece["Sequence"]?["id"]?.text == "A" {
        sequences += 1
      } else if let name = piece["SpecialToken"]?["id"]?.text,
        let ids = value["special_tokens"]?[name]?["ids"]?.elements
      {
        for element in ids {
          guard let id = element.integer, vocabulary.tokens.indices.contains(id) else {
            throw CheckpointError(
              .malformed, "the template's token '\(name)' has an id that no token has",
              found: element.shortText)
          }
          if sequences == 0 { before.append(id) } else { after.append(id) }
        }
      } else {
        throw CheckpointError(
          .malformed, "the template has an unknown part", found: piece.shortText)
      }
    }
    guard sequences == 1 else {
      throw CheckpointError(
        .malformed, "the template doesn't have the text once", found: "\(sequences) times")
    }
    prefix = before + prefix
    suffix += after
    guard pieces.count <= Self.maximumTemplateCount,
      prefix.count + suffix.count <= Self.maximumTemplateCount
    else {
      throw CheckpointError(
        .malformed, "templates put too many tokens around a text",
        expected: "at most \(Self.maximumTemplateCount)")
    }
  }
}

extension AddedToken {
  /// A token from the object that describes it.
  ///
  /// - Parameters:
  ///   - id: its id.
  ///   - content: its text.
  ///   - flags: `lstrip`, `rstrip`, `single_word`, `normalized`, `special`, those that are there.
  /// - Throws: `malformed` if one of them isn't a truth value.
  init(id: Int, content: String, flags: JSONValue) throws(CheckpointError) {
    let isSpecial = try flags.flag("special") ?? false
    self.init(
      id: id, content: content, isSpecial: isSpecial,
      isNormalized: try flags.flag("normalized") ?? !isSpecial,
      isSingleWord: try flags.flag("single_word") ?? false,
      stripsLeft: try flags.flag("lstrip") ?? false, stripsRight: try flags.flag("rstrip") ?? false)
  }
}

extension JSONValue {
  /// A truth value of an object; nil if it isn't there, or null.
  ///
  /// - Throws: `malformed` if it is something else.
  func flag(_ key: String) throws(CheckpointError) -> Bool? {
    guard let value = self[key], value != .null else { return nil }
    guard let flag = value.boolean else {
      throw CheckpointError(
        .malformed, "'\(key)' isn't a truth value", expected: "true or false",
        found: value.shortText)
    }
    return flag
  }

  /// A text of an object; nil if it isn't there, or null.
  ///
  /// - Throws: `malformed` if it is something else.
  func string(_ key: String) throws(CheckpointError) -> String? {
    guard let value = self[key], value != .null else { return nil }
    guard let text = value.text else {
      throw CheckpointError(
        .malformed, "'\(key)' isn't a text", expected: "a string", found: value.shortText)
    }
    return text
  }
}
