// tokenizer.json, as Hugging Face's `tokenizers` writes it: an object of
//   model           {"type": "BPE", "vocab": {token: id}, "merges": ["a b"] or [["a", "b"]], and switches}, or
//                   {"type": "Unigram", "vocab": [[piece, score]], "unk_id", "byte_fallback"}
//   added_tokens    [{"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}]
//   normalizer      NormalizerDocument.swift
//   pre_tokenizer   PreTokenizerDocument.swift
//   post_processor  null or {"type": "TemplateProcessing" | "ByteLevel" | "Sequence", …}
//   decoder         DecoderDocument.swift
//   truncation, padding   for batches of training: not applied, as in transformers
// https://github.com/huggingface/tokenizers

internal import FileContainers
internal import TensorModel

extension TokenizerDefinition {
  /// How many tokens templates may put around a text; known ones put one or two.
  private static let maximumTemplateCount = 64

  /// The tokenizer of a `tokenizer.json`.
  ///
  /// - Parameter document: the file.
  /// - Throws: `unsupported` for another kind of tokenizer, `malformed`.
  init(tokenizerDocument document: JSONValue) throws(CheckpointError) {
    guard let model = document["model"], model.members != nil else {
      throw CheckpointError(.malformed, "no 'model' in the tokenizer")
    }
    let type = try model.string("type")
    let (steps, isByteLevel) = try PreTokenizer.steps(of: document["pre_tokenizer"])
    // Files of before 2021 don't name the type.
    switch type ?? (model["merges"] == nil ? "unnamed" : "BPE") {
    case "BPE": try self.init(bytePairModel: model, isByteLevel: isByteLevel)
    case "Unigram" where !isByteLevel: try self.init(unigramModel: model)
    case "Unigram":
      throw TokenizerFiles.unsupported("a Unigram model with a ByteLevel pre-tokenizer")
    default:
      throw TokenizerFiles.unsupported(type.map { "a \($0) model" } ?? "a model without a type")
    }
    preTokenizer = PreTokenizer(steps: steps)
    normalizer = try Normalizer(document: document["normalizer"])
    decoder = try TokenDecoder(document: document["decoder"])
    if decoder.steps.isEmpty, isByteLevel { decoder = .byteLevel }
    guard decoder.isByteLevel == isByteLevel else {
      throw TokenizerFiles.unsupported(
        isByteLevel
          ? "ByteLevel with another decoder"
          : "a ByteLevel decoder without a ByteLevel pre-tokenizer")
    }
    try addTokens(document["added_tokens"])
    try addPostProcessor(document["post_processor"])
  }

  /// `"type": "BPE"`.
  private init(bytePairModel model: JSONValue, isByteLevel: Bool) throws(CheckpointError) {
    try Self.refuseOtherBPE(model)
    let fallsBack = try model.flag("byte_fallback") ?? false
    guard !(fallsBack && isByteLevel) else {
      throw TokenizerFiles.unsupported("BPE of bytes with byte fallback")
    }
    let members = model.members ?? []
    guard let vocabulary = members.first(where: { ExactName($0.key) == "vocab" })?.value.members,
      let merges = model["merges"]?.elements
    else { throw CheckpointError(.malformed, "a BPE model without 'vocab' and 'merges'") }
    self.init(vocabulary: try Vocabulary(vocabulary), preTokenizer: PreTokenizer(steps: []))
    for merge in merges {
      let (left, right) = try Self.pair(merge)
      try self.vocabulary.appendMerge(left, right)
    }
    unknown = try model.string("unk_token")
    fusesUnknown = try model.flag("fuse_unk") ?? false
    ignoresMerges = try model.flag("ignore_merges") ?? false
    try prepare(isByteLevel ? .bytes : .characters(fallsBack: fallsBack))
  }

  /// Switches that make BPE something else.
  private static func refuseOtherBPE(_ model: JSONValue) throws(CheckpointError) {
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
