/// Cuts words into tokens, in one of the ways that models know.
enum PieceEncoder: Sendable {
  /// By a list of merges.
  case merges(BytePairEncoder)
  /// By scores of pieces, as SentencePiece's BPE.
  case scoredPairs(ScoredPairEncoder, PieceIDs)
  /// By the likeliest pieces.
  case unigram(UnigramEncoder, PieceIDs)

  /// Where a word may be cut before it is encoded, without another result: the ends of its parts, in order.
  func partEnds(of word: [UInt8]) -> [Int] {
    switch self {
    case .merges(let encoder): encoder.partEnds(of: word)
    case .scoredPairs(let encoder, _): encoder.partEnds(of: word)
    case .unigram: [word.count]
    }
  }

  /// The tokens of a word in UTF-8.
  func tokens(of word: [UInt8]) -> [UInt32] {
    switch self {
    case .merges(let encoder): return encoder.tokens(of: word)
    case .scoredPairs(let encoder, let ids):
      var builder = ids.builder(of: word)
      for segment in encoder.segments(of: word) { builder.append(segment.id, end: segment.end) }
      return builder.tokens
    case .unigram(let encoder, let ids):
      var builder = ids.builder(of: word)
      for segment in encoder.segments(of: word) { builder.append(segment.id, end: segment.end) }
      return builder.tokens
    }
  }
}

/// The ids of pieces that stand for others: bytes, and what is unknown.
struct PieceIDs: Sendable {
  /// Of what isn't known; nil leaves it out.
  var unknown: UInt32?
  /// Of each byte; nil without byte fallback.
  var bytes: [UInt32?]?
  /// Texts of several unknown characters that are pieces after all, as `tokenizers` finds them; nil where they aren't looked up.
  var whole: PieceTrie?

  /// Collects the tokens of a word.
  func builder(of word: [UInt8]) -> Builder { Builder(ids: self, word: word) }

  /// The tokens of a word, piece by piece; unknown pieces side by side are one.
  struct Builder {
    fileprivate let ids: PieceIDs
    fileprivate let word: [UInt8]
    private var result: [UInt32] = []
    private var start = 0
    private var unknownStart: Int?

    fileprivate init(ids: PieceIDs, word: [UInt8]) {
      self.ids = ids
      self.word = word
    }

    /// Appends the next piece; nil is an unknown one.
    mutating func append(_ id: Int32?, end: Int) {
      if let id, UInt32(id) != ids.unknown {
        finish(before: start)
        result.append(UInt32(id))
      } else if unknownStart == nil {
        unknownStart = start
      }
      start = end
    }

    private mutating func finish(before end: Int) {
      guard let first = unknownStart else { return }
      unknownStart = nil
      let text = word[first..<end]
      if let id = ids.whole?.value(of: text) {
        result.append(UInt32(id))
      } else if let bytes = ids.bytes, text.allSatisfy({ bytes[Int($0)] != nil }) {
        result += text.compactMap { bytes[Int($0)] }
      } else if let unknown = ids.unknown {
        result.append(unknown)
      }
    }

    /// The tokens.
    var tokens: [UInt32] {
      var copy = self
      copy.finish(before: word.count)
      return copy.result
    }
  }
}
