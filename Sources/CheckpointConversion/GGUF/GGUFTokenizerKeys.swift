import CheckpointFormats
import FileContainers
import TensorModel
import Tokenization

/// What a GGUF file says of a tokenizer (gguf.md, `tokenizer.ggml.*`).
struct GGUFTokenizerKeys {
  /// In the order of the file.
  let entries: [(key: String, value: GGUFValue)]
  /// What they can't say.
  let findings: [Finding]
  private let fileNames: Set<String>

  /// Kinds of tokens, as `tokenizer.ggml.token_type` numbers them.
  private enum Kind: Int32 {
    case normal = 1
    case control = 3
    case userDefined = 4
    case unused = 5
  }

  /// Whether a sidecar file's contents stand in these keys.
  func contains(_ name: String) -> Bool { fileNames.contains(name) }

  /// Reads the tokenizer of a source's sidecar files, for an embedding of so many rows.
  ///
  /// - Throws: `missing` if there are none, `unsupported` for what llama.cpp's tokenizers can't do, `malformed` if there are more tokens than rows.
  init(_ source: Source, rows: Int) throws(CheckpointError) {
    do throws(CheckpointError) {
      try self.init(source.checkpoint.assets, rows: rows)
    } catch { throw error.code == .missing ? Self.missing(source) : error }
  }

  /// Reads the tokenizer of these files.
  ///
  /// - Throws: as above.
  init(_ assets: [Checkpoint.Asset], rows: Int) throws(CheckpointError) {
    let template = try ChatTemplate.text(in: assets).map {
      [(ChatTemplate.key, GGUFValue.text($0))]
    }
    do throws(CheckpointError) {
      let tokenizer = try Tokenizer(assets: assets)
      entries = try Self.entries(tokenizer, rows: rows) + (template ?? [])
      findings = Self.findings(tokenizer.vocabulary.tokens.count, rows: rows)
      fileNames = Set(Tokenizer.fileNames + [ChatTemplate.fileName])
    } catch {
      guard [.missing, .unsupported].contains(error.code),
        let vocabulary = try SentencePieceVocabulary(assets: assets)
      else { throw error }
      let keys = try GGUFSentencePieceKeys(vocabulary, rows: rows)
      entries = keys.entries + (template ?? [])
      findings = keys.findings
      fileNames = Set(Checkpoint.Asset.tokenizerNames + [ChatTemplate.fileName])
    }
  }

  /// Embeddings have some rows more than there are tokens, not several times as many.
  private static func findings(_ count: Int, rows: Int) -> [Finding] {
    guard count < rows / 2 else { return [] }
    return [
      Finding(
        .warning, "tokenizer-small",
        "the tokenizer has \(count) tokens, the model \(rows): does it belong to the model?")
    ]
  }

  private static func missing(_ source: Source) -> CheckpointError {
    CheckpointError(
      .missing, "a GGUF file needs a tokenizer, and the source has none", file: source.path,
      expected:
        "tokenizer.json, or vocab.json and merges.txt, or \(SentencePieceVocabulary.fileName)",
      hint: "name a directory that has them: --assets DIR")
  }

  /// The error for a tokenizer that doesn't belong to the model.
  static func tooLarge(_ count: Int, _ rows: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "the tokenizer has more tokens than the model", expected: "at most \(rows)",
      found: "\(count)", hint: "does the tokenizer belong to the model?")
  }

  private static func entries(
    _ tokenizer: Tokenizer, rows: Int
  ) throws(CheckpointError) -> [(key: String, value: GGUFValue)] {
    guard let pattern = tokenizer.pattern, !tokenizer.addsPrefixSpace else {
      throw CheckpointError(
        .unsupported, "llama.cpp's tokenizer can't cut texts as this one does",
        file: "tokenizer.json")
    }
    let vocabulary = tokenizer.vocabulary
    guard vocabulary.tokens.count <= rows else {
      throw tooLarge(vocabulary.tokens.count, rows)
    }
    var texts: [String] = []
    var kinds: [Int32] = []
    for id in 0..<rows {
      let token = id < vocabulary.tokens.count ? vocabulary.tokens[id] : nil
      texts.append(token?.text ?? "[PAD\(id)]")
      let kind: Kind =
        switch token?.kind {
        case .ordinary: .normal
        case .added: .userDefined
        case .control: .control
        case nil: .unused
        }
      kinds.append(kind.rawValue)
    }
    // What begins texts is the beginning's token, whether a file calls it so or not.
    var roles = tokenizer.roles
    if let first = tokenizer.prefix.first, roles[.beginning] == nil { roles[.beginning] = first }
    let merges = vocabulary.merges.map { merge in
      "\(vocabulary.tokens[merge.left]?.text ?? "") \(vocabulary.tokens[merge.right]?.text ?? "")"
    }
    return [
      ("tokenizer.ggml.model", .text("gpt2")), ("tokenizer.ggml.pre", .text(pattern.ggufName)),
      ("tokenizer.ggml.tokens", .array(GGUFArray(texts))),
      ("tokenizer.ggml.token_type", .array(GGUFArray(kinds))),
      ("tokenizer.ggml.merges", .array(GGUFArray(merges))),
    ] + entries(roles)
      + [("tokenizer.ggml.add_bos_token", .bool(!tokenizer.prefix.isEmpty))]
  }

  /// The tokens of roles.
  static func entries(_ roles: [Tokenizer.Role: Int]) -> [(key: String, value: GGUFValue)] {
    let keys: [(Tokenizer.Role, String)] = [
      (.beginning, "bos"), (.end, "eos"), (.unknown, "unknown"), (.padding, "padding"),
    ]
    return keys.compactMap { role, name in
      roles[role].map { ("tokenizer.ggml.\(name)_token_id", .count($0)) }
    }
  }
}
