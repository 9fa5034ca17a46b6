internal import FileContainers
public import TensorModel

/// A byte-level BPE tokenizer of GPT-2's kind: text to token ids and back, as Hugging Face's `tokenizers` does it.
public struct Tokenizer: Sendable {
  /// The files that it may be made from.
  public static let fileNames = Checkpoint.Asset.tokenizerNames.filter {
    $0 != SentencePieceVocabulary.fileName
  }

  /// The tokens and merges.
  public let vocabulary: Vocabulary
  /// The tokens of roles, as far as the files name them.
  public let roles: [Role: Int]
  /// What `encode` puts before a text.
  public let prefix: [Int]
  /// What `encode` puts after a text.
  public let suffix: [Int]
  /// The pattern that cuts texts into words; nil if there are none or several.
  public var pattern: TextPattern? { preTokenizer.pattern }
  /// Whether texts are composed (NFC) first.
  public var composesText: Bool { if case .nfc = normalizer { true } else { false } }
  /// Whether a space is put before a text that doesn't begin with one.
  public var addsPrefixSpace: Bool { preTokenizer.steps.contains(.prefixSpace) }
  /// Whether a word that is a token stays one even if no merges lead to it.
  public let ignoresMerges: Bool
  /// Whether `tokenizer_config.json` says if the end's token comes after texts; what happens is in `suffix`.
  public let mentionsEnd: Bool
  /// What the files contradict each other in, and what was made of it.
  public let findings: [Finding]

  private let normalizer: Normalizer
  private let preTokenizer: PreTokenizer
  private let encoder: BytePairEncoder
  private let verbatimMatcher: AddedTokenMatcher
  private let normalizedMatcher: AddedTokenMatcher
  /// Of normalized added tokens: what they look like in normalized texts.
  private let normalizedContents: [Int: String]

  /// The longest text that is encoded at once, in bytes.
  public static let maximumTextByteCount = 1 << 28

  /// Opens the tokenizer of a checkpoint: `tokenizer.json` if there is one, `vocab.json` and `merges.txt` otherwise.
  ///
  /// - Parameter assets: the checkpoint's sidecar files.
  /// - Throws: `missing` without such files, `unsupported` for tokenizers of another kind, `malformed`.
  public init(assets: [Checkpoint.Asset]) throws(CheckpointError) {
    self.init(try TokenizerFiles(assets).definition())
  }

  init(_ definition: TokenizerDefinition) {
    vocabulary = definition.vocabulary
    roles = definition.roles
    prefix = definition.prefix
    suffix = definition.suffix
    normalizer = definition.normalizer
    preTokenizer = definition.preTokenizer
    ignoresMerges = definition.ignoresMerges
    findings = definition.findings
    mentionsEnd = definition.mentionsEnd
    encoder = definition.encoder

    var contents: [Int: String] = [:]
    var verbatim: [(AddedToken, [Unicode.Scalar])] = []
    var normalized: [(AddedToken, [Unicode.Scalar])] = []
    for token in definition.vocabulary.addedTokens {
      let content = Array(token.content.unicodeScalars)
      if token.isNormalized {
        let other = definition.normalizer.normalized(content)
        normalized.append((token, other))
        var text = String.UnicodeScalarView()
        text.append(contentsOf: other)
        contents[token.id] = String(text)
      } else {
        verbatim.append((token, content))
      }
    }
    normalizedContents = contents
    verbatimMatcher = AddedTokenMatcher(verbatim)
    normalizedMatcher = AddedTokenMatcher(normalized)
  }

  /// How many rows of an embedding the ids reach: one more than the largest.
  public var vocabularySize: Int { vocabulary.tokens.count }

  /// The ids of a text.
  ///
  /// Added tokens in it, control tokens too, become their ids.
  ///
  /// - Parameters:
  ///   - text: any text.
  ///   - addingSpecialTokens: whether `prefix` and `suffix` are put around it.
  /// - Returns: the ids.
  /// - Throws: `usage` if the text is longer than `maximumTextByteCount`.
  public func encode(
    _ text: String, addingSpecialTokens: Bool = true
  ) throws(CheckpointError) -> [Int] {
    guard text.utf8.count <= Self.maximumTextByteCount else {
      throw CheckpointError(
        .usage, "the text is too long to be encoded at once",
        expected: "at most \(Self.maximumTextByteCount) bytes", found: "\(text.utf8.count)",
        hint: "encode it in parts, and pass the token ids with --tokens-file")
    }
    var ids = addingSpecialTokens ? prefix : []
    var known: [[UInt8]: [UInt32]] = [:]
    for part in verbatimMatcher.parts(of: Array(text.unicodeScalars)) {
      switch part {
      case .token(let id): ids.append(id)
      case .text(let text):
        for part in normalizedMatcher.parts(of: normalizer.normalized(Array(text))) {
          switch part {
          case .token(let id): ids.append(id)
          case .text(let text): appendTokens(of: Array(text), to: &ids, known: &known)
          }
        }
      }
    }
    return addingSpecialTokens ? ids + suffix : ids
  }

  private func appendTokens(
    of text: [Unicode.Scalar], to ids: inout [Int], known: inout [[UInt8]: [UInt32]]
  ) {
    /// Words repeat; longer ones hardly do.
    let longestKept = 64
    for word in preTokenizer.words(of: text) {
      let bytes = word.flatMap { UTF8.encode($0).map(Array.init) ?? [] }
      if let tokens = known[bytes] {
        ids += tokens.lazy.map(Int.init)
        continue
      }
      let tokens = encoder.tokens(of: bytes)
      if bytes.count <= longestKept { known[bytes] = tokens }
      ids += tokens.lazy.map(Int.init)
    }
  }

  /// The text of ids; bytes that aren't UTF-8, as in half a character, become U+FFFD.
  ///
  /// - Parameters:
  ///   - ids: those that no token has are left out.
  ///   - skippingSpecialTokens: whether control tokens are left out.
  /// - Returns: the text.
  public func decode(_ ids: [Int], skippingSpecialTokens: Bool = false) -> String {
    var bytes: [UInt8] = []
    for id in ids {
      if skippingSpecialTokens, isSpecial(id) { continue }
      bytes += self.bytes(of: id)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The bytes that a token stands for, for texts that come token by token; none if no token has the id.
  public func bytes(of id: Int) -> [UInt8] {
    guard vocabulary.tokens.indices.contains(id), let token = vocabulary.tokens[id] else {
      return []
    }
    let text = normalizedContents[id] ?? token.text
    return ByteAlphabet.bytes(of: text) ?? Array(text.utf8)
  }

  private func isSpecial(_ id: Int) -> Bool {
    vocabulary.tokens.indices.contains(id) && vocabulary.tokens[id]?.kind == .control
  }
}
