internal import TensorModel

/// What the files say of a tokenizer, whichever files they are.
struct TokenizerDefinition {
  var vocabulary: Vocabulary
  var normalizer = Normalizer.none
  var preTokenizer: PreTokenizer
  var ignoresMerges = false
  /// The token for bytes that the vocabulary doesn't have.
  var unknown: String?
  var fusesUnknown = false
  var prefix: [Int] = []
  var suffix: [Int] = []
  var roles: [Tokenizer.Role: Int] = [:]
  /// Whether a file says if the end's token comes after texts.
  var mentionsEnd = false
  /// What the files contradict each other in.
  var findings: [Finding] = []
  /// What merges bytes into tokens; made by `prepare`.
  private(set) var encoder = BytePairEncoder(byteTokens: [], merges: [:])

  /// A definition with defaults for all else.
  init(vocabulary: Vocabulary, preTokenizer: PreTokenizer) {
    self.vocabulary = vocabulary
    self.preTokenizer = preTokenizer
  }

  /// Makes the encoder, from the vocabulary as it is before tokens are added to it.
  ///
  /// - Throws: `malformed` if there are bytes without a token and the unknown token isn't one either.
  mutating func prepare() throws(CheckpointError) {
    let byteTokens = ByteAlphabet.characters.map {
      vocabulary.id(of: String($0)).map { UInt32($0) }
    }
    var merges: [UInt64: BytePairEncoder.Merge] = [:]
    merges.reserveCapacity(vocabulary.merges.count)
    for (rank, merge) in vocabulary.merges.enumerated() {
      // Of a pair that stands twice, the last counts, as in the reference.
      merges[BytePairEncoder.pair(UInt32(merge.left), UInt32(merge.right))] = .init(
        rank: UInt32(rank), result: UInt32(merge.result))
    }
    encoder = BytePairEncoder(byteTokens: byteTokens, merges: merges)
    if let unknown, byteTokens.contains(nil) {
      guard let id = vocabulary.id(of: unknown) else {
        throw CheckpointError(
          .malformed, "the vocabulary lacks tokens for some bytes, and the unknown token too",
          expected: "a token '\(unknown)'")
      }
      encoder.unknown = UInt32(id)
      encoder.fusesUnknown = fusesUnknown
    }
    guard ignoresMerges else { return }
    for (id, token) in vocabulary.tokens.enumerated() {
      guard let token, let bytes = ByteAlphabet.bytes(of: token.text) else { continue }
      encoder.wholeWords[bytes] = UInt32(id)
    }
  }
}
