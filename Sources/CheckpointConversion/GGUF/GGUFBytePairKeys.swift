import FileContainers
import TensorModel
import Tokenization

/// What a GGUF file says of byte-level BPE: `tokenizer.ggml.model` is "gpt2" (llama.cpp's conversion/base.py).
struct GGUFBytePairKeys: GGUFVocabularyKeys {
  let entries: [(key: String, value: GGUFValue)]
  let flags: [(key: String, value: GGUFValue)]
  private(set) var roles: [Tokenizer.Role: Int]
  private(set) var findings: [Finding]
  let fileNames = Tokenizer.fileNames
  private let tokens: [Vocabulary.Token?]

  /// Kinds of tokens, as `tokenizer.ggml.token_type` numbers them.
  private enum Kind: Int32 {
    case normal = 1
    case control = 3
    case userDefined = 4
    case unused = 5

    init(_ kind: Vocabulary.Kind?) {
      self =
        switch kind {
        case .ordinary: .normal
        case .added: .userDefined
        case .control: .control
        case nil: .unused
        }
    }
  }

  /// The keys for an embedding of so many rows.
  ///
  /// - Parameters:
  ///   - tokenizer: the tokenizer.
  ///   - rows: those of the embedding.
  ///   - name: what `tokenizer.ggml.pre` says, of several names that llama.cpp takes for the same.
  ///   - graph: `general.architecture`; nil if it isn't known.
  /// - Throws: `unsupported` for texts that are cut as llama.cpp doesn't, `malformed` if there are more tokens than rows, not counting those that were added.
  init(
    _ tokenizer: Tokenizer, rows: Int, name: String?, graph: String?
  ) throws(CheckpointError) {
    guard let cutting = tokenizer.cutting else {
      throw CheckpointError(
        .unsupported, "llama.cpp's tokenizer can't cut texts as this one does",
        file: "tokenizer.json")
    }
    let name = cutting.ggufName(ignoresMerges: tokenizer.ignoresMerges, preferred: name)
    let vocabulary = tokenizer.vocabulary
    tokens = vocabulary.tokens
    let trained = tokens.lastIndex { $0?.kind == .ordinary }.map { $0 + 1 } ?? 0
    guard trained <= rows else { throw GGUFTokenizerKeys.tooLarge(trained, rows) }
    var texts: [String] = []
    var kinds: [Int32] = []
    for id in 0..<rows {
      let token = tokens.indices.contains(id) ? tokens[id] : nil
      texts.append(token?.text ?? "[PAD\(id)]")
      kinds.append(Kind(token?.kind).rawValue)
    }
    let merges = vocabulary.merges.map { [tokens] merge in
      "\(tokens[merge.left]?.text ?? "") \(tokens[merge.right]?.text ?? "")"
    }
    entries =
      [
        ("tokenizer.ggml.model", .text("gpt2")), ("tokenizer.ggml.pre", .text(name)),
        ("tokenizer.ggml.tokens", .array(GGUFArray(texts))),
        ("tokenizer.ggml.token_type", .array(GGUFArray(kinds))),
        ("tokenizer.ggml.merges", .array(GGUFArray(merges))),
      ] + ComposedTexts.entries(tokenizer.composesText, cutting, graph: graph)
    findings = tokenizer.findings + Self.findings(tokenizer, name, rows: rows)
    let frame = Frame(tokenizer)
    roles = frame.roles
    flags = frame.flags
    findings += frame.findings
  }

  func text(_ id: Int) -> String? { tokens.indices.contains(id) ? tokens[id]?.text : nil }

  private static func findings(
    _ tokenizer: Tokenizer, _ name: String, rows: Int
  ) -> [Finding] {
    let tokens = tokenizer.vocabulary.tokens
    var findings = GGUFTokenizerKeys.leftOut(tokens.dropFirst(rows).compactMap { $0?.text })
    findings += GGUFTokenizerKeys.neighbours(
      tokenizer.vocabulary.addedTokens.filter { $0.dependsOnNeighbours && $0.id < rows }
        .map(\.content))
    // Embeddings have some rows more than there are tokens, not several times as many.
    if tokens.count < rows / 2 {
      findings.append(
        Finding(
          .warning, "tokenizer-small",
          "the tokenizer has \(tokens.count) tokens, the model \(rows): does it belong to the model?"
        ))
    }
    if tokenizer.ignoresMerges != TextCutting.ignoresMerges(ggufName: name) {
      let (own, other) =
        tokenizer.ignoresMerges
        ? ("takes words that are tokens as they are (ignore_merges)", "merges them")
        : ("merges all words", "takes those that are tokens as they are")
      findings.append(
        Finding(
          .warning, "gguf-ignore-merges",
          "the tokenizer \(own), and llama.cpp \(other) for '\(name)': tokens of some words can differ"
        ))
    }
    if tokenizer.cutting == .gpt4o {
      findings.append(
        Finding(
          .warning, "gguf-pattern",
          "llama.cpp's pattern for '\(name)' knows capitals and small letters in ASCII only, and takes combining marks for no letters: tokens of some texts differ"
        ))
    }
    if tokenizer.composesText {
      findings.append(
        Finding(
          .warning, "gguf-normalizer",
          "the tokenizer composes texts (NFC) before it cuts them, which llama.cpp doesn't: tokens of texts that aren't composed differ"
        ))
    }
    return findings
  }
}

extension GGUFBytePairKeys {
  /// What is put around texts: llama.cpp puts one token of a role there.
  private struct Frame {
    var roles: [Tokenizer.Role: Int]
    var flags: [(key: String, value: GGUFValue)] = []
    var findings: [Finding] = []

    init(_ tokenizer: Tokenizer) {
      roles = tokenizer.roles
      let (prefix, suffix) = (tokenizer.prefix, tokenizer.suffix)
      // What begins texts is the beginning's token, whether a file calls it so or not.
      if let first = prefix.first, roles[.beginning] == nil, roles[.classification] == nil {
        roles[.beginning] = first
      }
      if let last = suffix.last, last != roles[.end] {
        // llama.cpp puts the end's token after texts; what the files call so ends turns.
        if let old = roles[.end], roles[.endOfTurn] == nil { roles[.endOfTurn] = old }
        roles[.end] = last
      }
      let begins = prefix.first.map { $0 == roles[.beginning] ?? roles[.classification] } ?? false
      flags.append(("tokenizer.ggml.add_bos_token", .bool(begins)))
      if !suffix.isEmpty || tokenizer.mentionsEnd {
        flags.append(("tokenizer.ggml.add_eos_token", .bool(!suffix.isEmpty)))
      }
      for (ids, place, isWhole) in [
        (prefix, "before", prefix.count == (begins ? 1 : 0)), (suffix, "after", suffix.count <= 1),
      ] where !isWhole {
        let texts = ids.map { tokenizer.vocabulary.tokens[$0]?.text ?? "\($0)" }
        findings.append(
          Finding(
            .warning, "gguf-template",
            "the tokenizer puts \(texts.joined(separator: " ")) \(place) texts, of which llama.cpp puts one token or none"
          ))
      }
    }
  }
}
