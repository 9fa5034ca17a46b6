// Unigram (Kudo 2018): of all ways to cut a text into pieces the one whose scores, log-probabilities, add up to most. As in SentencePiece
// (unigram_model.cc, EncodeOptimized) and in `tokenizers` (unigram/model.rs): a best cut for each beginning of the text, from
// left to right, by characters; what no piece covers is an unknown character, at 10 below the least score.

/// Cuts texts into the likeliest pieces.
struct UnigramEncoder: Sendable {
  /// How the two libraries differ.
  enum Arithmetic: Sendable {
    /// `tokenizers`: sums in double precision.
    case double
    /// SentencePiece: sums in single precision, after each piece, counted from a new zero in long texts.
    case single
  }

  /// The pieces that texts may be cut into, with their ids.
  let trie: PieceTrie
  /// Their scores, by id.
  let scores: [Double]
  /// What stands for characters without a piece.
  let unknown: Int32
  /// Its score.
  let unknownScore: Double
  /// How sums are rounded.
  let arithmetic: Arithmetic

  /// The sum beyond which SentencePiece 0.2.3 counts from a new zero, so that single precision still tells pieces apart.
  static let resetThreshold = 100_000.0

  /// A piece of a text: where it ends, and its id.
  struct Segment {
    let end: Int
    let id: Int32
  }

  /// How far below the least score an unknown character is.
  static let unknownPenalty = 10.0

  /// The best way to cut a text, from its beginning to its end.
  func segments(of text: [UInt8]) -> [Segment] {
    let count = text.count
    var best = [Double](repeating: 0, count: count + 1)
    var starts = [Int32](repeating: -1, count: count + 1)
    var ids = [Int32](repeating: 0, count: count + 1)
    var frontier = 0
    func take(_ end: Int, _ start: Int, _ id: Int32, _ score: Double) {
      frontier = max(frontier, end)
      let sum = score + best[start]
      let rounded = arithmetic == .single ? Double(Float(sum)) : sum
      guard starts[end] < 0 || rounded > best[end] else { return }
      best[end] = rounded
      starts[end] = Int32(start)
      ids[end] = id
    }
    var start = 0
    while start < count {
      if arithmetic == .single, abs(best[start]) > Self.resetThreshold {
        let offset = best[start]
        for end in start...max(start, frontier) where end == start || starts[end] >= 0 {
          best[end] = Double(Float(best[end] - offset))
        }
      }
      let characterEnd = min(start + UTF8.width(ofFirst: text[start]), count)
      var hasCharacter = false
      var node: UInt32 = 0
      var end = start
      while end < count, let next = trie.child(node, text[end]) {
        node = next
        end += 1
        let id = trie.values[Int(node)]
        guard id >= 0 else { continue }
        take(end, start, id, scores[Int(id)])
        if end == characterEnd { hasCharacter = true }
      }
      if !hasCharacter { take(characterEnd, start, unknown, unknownScore) }
      start = characterEnd
    }
    var segments: [Segment] = []
    var end = count
    while end > 0 {
      segments.append(Segment(end: end, id: ids[end]))
      end = Int(starts[end])
    }
    return segments.reversed()
  }
}
