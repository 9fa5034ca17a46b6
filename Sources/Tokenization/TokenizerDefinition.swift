internal import TensorModel

/// What the files say of a tokenizer, whichever files they are.
struct TokenizerDefinition {
  var vocabulary: Vocabulary
  var normalizer = Normalizer()
  var preTokenizer: PreTokenizer
  var ignoresMerges = false
  /// What makes texts of tokens.
  var decoder = TokenDecoder.byteLevel
  /// The token for bytes, or characters, that the vocabulary doesn't have.
  var unknown: String?
  var fusesUnknown = false
  var prefix: [Int] = []
  var suffix: [Int] = []
  var roles: [Tokenizer.Role: Int] = [:]
  /// Whether a file says if the end's token comes after texts.
  var mentionsEnd = false
  /// What the files contradict each other in.
  var findings: [Finding] = []
  /// What cuts words into tokens.
  var encoder = PieceEncoder.merges(BytePairEncoder(byteTokens: [], merges: [:]))

  /// A definition with defaults for all else.
  init(vocabulary: Vocabulary, preTokenizer: PreTokenizer) {
    self.vocabulary = vocabulary
    self.preTokenizer = preTokenizer
  }

  /// What merges begin with.
  enum Symbols {
    /// The bytes of a word.
    case bytes
    /// Its characters; `fallsBack` makes bytes of those that aren't tokens.
    case characters(fallsBack: Bool)
  }

  /// Makes the encoder of a list of merges, from the vocabulary as it is before tokens are added to it.
  ///
  /// - Parameter symbols: what merges begin with.
  /// - Throws: `malformed` if there are bytes without a token and the unknown token isn't one either.
  mutating func prepare(_ symbols: Symbols) throws(CheckpointError) {
    var merges: [UInt64: BytePairEncoder.Merge] = [:]
    merges.reserveCapacity(vocabulary.merges.count)
    for (rank, merge) in vocabulary.merges.enumerated() {
      // Of a pair that stands twice, the last counts, as in the reference.
      merges[BytePairEncoder.pair(UInt32(merge.left), UInt32(merge.right))] = .init(
        rank: UInt32(rank), result: UInt32(merge.result))
    }
    var encoder = BytePairEncoder(byteTokens: [], merges: merges)
    encoder.fusesUnknown = fusesUnknown
    var mayBeUnknown = true
    if case .bytes = symbols {
      encoder.byteTokens = ByteAlphabet.characters.map {
        vocabulary.id(of: String($0)).map { UInt32($0) }
      }
      mayBeUnknown = encoder.byteTokens.contains(nil)
    }
    if let unknown, mayBeUnknown {
      guard let id = vocabulary.id(of: unknown) else {
        throw CheckpointError(
          .malformed, "the vocabulary lacks tokens for some texts, and the unknown token too",
          expected: "a token '\(unknown)'")
      }
      encoder.unknown = UInt32(id)
    }
    if case .characters(let fallsBack) = symbols {
      encoder.characters = CharacterAlphabet(
        vocabulary, fallsBack: fallsBack, unknown: encoder.unknown)
    }
    if ignoresMerges {
      for (id, token) in vocabulary.tokens.enumerated() {
        guard let token else { continue }
        let bytes: [UInt8]? =
          encoder.characters == nil ? ByteAlphabet.bytes(of: token.text) : Array(token.text.utf8)
        if let bytes { encoder.wholeWords[bytes] = UInt32(id) }
      }
    }
    self.encoder = .merges(encoder)
  }
}
