import CheckpointFormats
import FileContainers
import TensorModel
import Tokenization

/// What a GGUF file says of a tokenizer (gguf.md, `tokenizer.ggml.*`).
struct GGUFTokenizerKeys {
  private let tokenizer: Tokenizer

  /// Kinds of tokens, as `tokenizer.ggml.token_type` numbers them.
  private enum Kind: Int32 {
    case normal = 1
    case control = 3
    case userDefined = 4
    case unused = 5
  }

  /// Whether a sidecar file's contents stand in these keys.
  static func contains(_ name: String) -> Bool { Tokenizer.fileNames.contains(name) }

  /// Reads the tokenizer of a source's sidecar files.
  ///
  /// - Throws: `missing` if there are none, `unsupported` for tokenizers of other kinds.
  init(_ source: Source) throws(CheckpointError) {
    do throws(CheckpointError) {
      tokenizer = try Tokenizer(assets: source.checkpoint.assets)
    } catch {
      guard error.code == .missing else { throw error }
      throw CheckpointError(
        .missing, "a GGUF file needs a tokenizer, and the source has none", file: source.path,
        expected: "tokenizer.json, or vocab.json and merges.txt",
        hint: "name a directory that has them: --assets DIR")
    }
  }

  /// The keys, for an embedding of so many rows.
  ///
  /// - Throws: `unsupported` for what llama.cpp's tokenizer can't do, `malformed` if the tokenizer has more tokens than the embedding rows.
  func entries(rows: Int) throws(CheckpointError) -> [(key: String, value: GGUFValue)] {
    guard let pattern = tokenizer.pattern, !tokenizer.addsPrefixSpace else {
      throw CheckpointError(
        .unsupported, "llama.cpp's tokenizer can't cut texts as this one does",
        file: "tokenizer.json")
    }
    let vocabulary = tokenizer.vocabulary
    guard vocabulary.tokens.count <= rows else {
      throw CheckpointError(
        .malformed, "the tokenizer has more tokens than the model", expected: "at most \(rows)",
        found: "\(vocabulary.tokens.count)",
        hint: "does the tokenizer belong to the model?")
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
    let merges = vocabulary.merges.map { merge in
      "\(vocabulary.tokens[merge.left]?.text ?? "") \(vocabulary.tokens[merge.right]?.text ?? "")"
    }
    return [
      ("tokenizer.ggml.model", .text("gpt2")), ("tokenizer.ggml.pre", .text(pattern.ggufName)),
      ("tokenizer.ggml.tokens", .array(GGUFArray(texts))),
      ("tokenizer.ggml.token_type", .array(GGUFArray(kinds))),
      ("tokenizer.ggml.merges", .array(GGUFArray(merges))),
    ] + roles
      + [("tokenizer.ggml.add_bos_token", .bool(!tokenizer.prefix.isEmpty))]
  }

  private var roles: [(key: String, value: GGUFValue)] {
    let keys: [(Tokenizer.Role, String)] = [
      (.beginning, "bos"), (.end, "eos"), (.unknown, "unknown"), (.padding, "padding"),
    ]
    return keys.compactMap { role, name in
      tokenizer.roles[role].map { ("tokenizer.ggml.\(name)_token_id", .count($0)) }
    }
  }
}

extension GGUFValue {
  /// A text.
  static func text(_ text: String) -> GGUFValue { .string(Array(text.utf8)) }

  /// A count, of 32 bits as llama.cpp expects them.
  static func count(_ number: Int) -> GGUFValue { .unsigned(UInt64(number), .uint32) }

  /// A number, of 32 bits.
  static func number(_ number: Double) -> GGUFValue { .float(number, .float32) }
}
