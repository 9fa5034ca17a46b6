internal import FileContainers
public import TensorModel

/// A tokenizer: text to token ids and back, as Hugging Face's `tokenizers` does it, or SentencePiece where there is only its model.
///
/// BPE of bytes as GPT-2 has it, BPE of characters as Llama and Gemma have it, and Unigram.
public struct Tokenizer: Sendable {
  /// The files that byte-level BPE may be made from.
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
  /// How texts are cut into words, for byte-level BPE whose cutting a GGUF can name.
  public var cutting: TextCutting? {
    isByteLevel && (normalizer.steps.isEmpty || composesText)
      ? TextCutting(preTokenizer.steps) : nil
  }
  /// Whether bytes are merged, written in the byte alphabet.
  public var isByteLevel: Bool { decoder.isByteLevel }
  /// Whether texts are composed (NFC) first.
  public var composesText: Bool { normalizer.composes }
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
  private let encoder: PieceEncoder
  private let decoder: TokenDecoder
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
    decoder = definition.decoder

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
        let isStart = text.startIndex == 0
        for part in normalizedMatcher.parts(of: normalizer.normalized(Array(text))) {
          switch part {
          case .token(let id): ids.append(id)
          case .text(let text):
            let isStart = isStart && text.startIndex == 0
            appendTokens(of: text, isStart: isStart, to: &ids, known: &known)
          }
        }
      }
    }
    return addingSpecialTokens ? ids + suffix : ids
  }

  private func appendTokens(
    of text: ArraySlice<Unicode.Scalar>, isStart: Bool, to ids: inout [Int],
    known: inout [[UInt8]: [UInt32]]
  ) {
    /// Words repeat; longer ones hardly do.
    let longestKept = 64
    let writesBytes = preTokenizer.writesBytes
    for word in preTokenizer.words(of: text, isStart: isStart) {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(2 * word.count)
      if writesBytes {
        bytes = word.compactMap(ByteAlphabet.byte)
      } else {
        word.appendUTF8(to: &bytes)
      }
      var start = 0
      for end in encoder.partEnds(of: bytes) {
        let part = start == 0 && end == bytes.count ? bytes : Array(bytes[start..<end])
        start = end
        if let tokens = known[part] {
          for token in tokens { ids.append(Int(token)) }
          continue
        }
        let tokens = encoder.tokens(of: part)
        if part.count <= longestKept, known.count < Self.maximumKnownCount { known[part] = tokens }
        for token in tokens { ids.append(Int(token)) }
      }
    }
  }

  /// How many words are remembered within one text.
  private static let maximumKnownCount = 1 << 18

  /// The text of ids; bytes that aren't UTF-8, as in half a character, become U+FFFD.
  ///
  /// - Parameters:
  ///   - ids: those that no token has are left out.
  ///   - skippingSpecialTokens: whether control tokens are left out.
  /// - Returns: the text.
  public func decode(_ ids: [Int], skippingSpecialTokens: Bool = false) -> String {
    let shown = skippingSpecialTokens ? ids.filter { !isSpecial($0) } : ids
    guard isByteLevel else { return decoder.text(of: shown.compactMap(text)) }
    return String(decoding: shown.flatMap(bytes), as: UTF8.self)
  }

  private func text(_ id: Int) -> String? {
    guard vocabulary.tokens.indices.contains(id), let token = vocabulary.tokens[id] else {
      return nil
    }
    return normalizedContents[id] ?? token.text
  }

  /// The bytes that a token stands for, for texts that come token by token; none if no token has the id.
  public func bytes(of id: Int) -> [UInt8] {
    guard let text = text(id) else { return [] }
    if isByteLevel { return ByteAlphabet.bytes(of: text) ?? Array(text.utf8) }
    if decoder.steps.contains(.byteFallback), let byte = TokenDecoder.byte(of: text) {
      return [byte]
    }
    return Array(text.replacing("\u{2581}", with: " ").utf8)
  }

  private func isSpecial(_ id: Int) -> Bool {
    vocabulary.tokens.indices.contains(id) && vocabulary.tokens[id]?.kind == .control
  }
}
