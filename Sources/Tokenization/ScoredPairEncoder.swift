// SentencePiece's own BPE (bpe_model.cc): of all neighbours that make a piece, the two whose piece has the highest score become one, of
// equal ones the leftmost, until none do. Pieces that are the user's own stay whole from the beginning; those that may not be used are
// taken apart again.

/// Merges the characters of a text into pieces, the piece of the highest score first.
struct ScoredPairEncoder: Sendable {
  /// The pieces that are made, with their ids.
  private var trie = PieceTrie()
  /// Their places in the order of scores, by id.
  private var ranks: [UInt32] = []
  private var unused: Set<Int32> = []
  /// Pieces that stay whole.
  private var userDefined = PieceTrie()
  /// The pairs of characters that stand side by side in pieces; nil if texts can't be cut there.
  private var bridges: Set<UInt64>?
  /// The characters that are pieces.
  private var characters: Set<Unicode.Scalar> = []

  /// A symbol of the text: where it ends, and whether it stays as it is.
  private struct Symbol {
    var end: Int32
    var next: Int32
    var previous: Int32
    var isFrozen: Bool
    var isRemoved = false
  }

  /// The encoder of a model's pieces.
  init(_ pieces: [SentencePieceVocabulary.Piece]) {
    let order = pieces.indices.sorted { pieces[$0].score > pieces[$1].score }
    ranks = [UInt32](repeating: 0, count: pieces.count)
    var rank: UInt32 = 0
    var last: Float?
    for id in order {
      if let last, pieces[id].score != last { rank += 1 }
      last = pieces[id].score
      ranks[id] = rank
    }
    var bridges: Set<UInt64> = []
    for (id, piece) in pieces.enumerated() {
      guard [.normal, .userDefined, .unused].contains(piece.kind) else { continue }
      trie.insert(piece.text.utf8, value: Int32(id))
      if piece.kind == .unused { unused.insert(Int32(id)) }
      if piece.kind == .userDefined { userDefined.insert(piece.text.utf8, value: Int32(id)) }
      let scalars = piece.text.unicodeScalars
      if scalars.count == 1, let scalar = scalars.first { characters.insert(scalar) }
      var previous: Unicode.Scalar?
      for scalar in scalars {
        if let previous { bridges.insert(Self.pair(previous, scalar)) }
        previous = scalar
      }
    }
    // How unused pieces are taken apart depends on the whole text.
    self.bridges = unused.isEmpty ? bridges : nil
  }

  private static func pair(_ left: Unicode.Scalar, _ right: Unicode.Scalar) -> UInt64 {
    UInt64(left.value) << 32 | UInt64(right.value)
  }

  /// Where a text may be cut, without another result: the ends of its parts, in order.
  func partEnds(of text: [UInt8]) -> [Int] {
    guard let bridges, text.count > 1 else { return [text.count] }
    var ends: [Int] = []
    var previous: Unicode.Scalar?
    var wasUnknown = false
    var position = 0
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      let isUnknown = !characters.contains(scalar)
      // Unknown ones side by side may be one token.
      if let previous, !(isUnknown && wasUnknown), !bridges.contains(Self.pair(previous, scalar)) {
        ends.append(position)
      }
      previous = scalar
      wasUnknown = isUnknown
      position += UTF8.width(scalar)
    }
    ends.append(text.count)
    return ends
  }

  /// A piece of a text: where it ends, and its id; nil if it is none.
  struct Segment {
    let end: Int
    let id: Int32?
  }

  /// The pieces of a text.
  func segments(of text: [UInt8]) -> [Segment] {
    var symbols = symbols(of: text)
    var queue = MergeQueue()
    /// The first half of each unused piece, as it was made last.
    var halves: [Int32: Int] = [:]
    func start(_ index: Int32) -> Int {
      let previous = symbols[Int(index)].previous
      return previous < 0 ? 0 : Int(symbols[Int(previous)].end)
    }
    func add(_ left: Int32, _ right: Int32) {
      guard left >= 0, right >= 0, !symbols[Int(left)].isFrozen, !symbols[Int(right)].isFrozen
      else { return }
      let start = start(left)
      guard let id = trie.value(of: text[start..<Int(symbols[Int(right)].end)]) else { return }
      if unused.contains(Int32(id)) { halves[Int32(id)] = Int(symbols[Int(left)].end) - start }
      queue.append(.init(rank: ranks[id], position: UInt32(left), result: UInt32(id)))
    }
    for index in symbols.indices.dropFirst() { add(Int32(index - 1), Int32(index)) }
    while let candidate = queue.popFirst() {
      let left = Int32(candidate.position)
      let right = symbols[Int(left)].next
      // A pair that has changed since is stale, unless it makes the same piece.
      guard !symbols[Int(left)].isRemoved, right >= 0,
        trie.value(of: text[start(left)..<Int(symbols[Int(right)].end)]) == Int(candidate.result)
      else { continue }
      let next = symbols[Int(right)].next
      symbols[Int(left)].end = symbols[Int(right)].end
      symbols[Int(left)].next = next
      symbols[Int(right)].isRemoved = true
      if next >= 0 { symbols[Int(next)].previous = left }
      add(symbols[Int(left)].previous, left)
      add(left, next)
    }
    var segments: [Segment] = []
    var begin = 0
    for symbol in symbols where !symbol.isRemoved {
      append(begin..<Int(symbol.end), of: text, halves, to: &segments)
      begin = Int(symbol.end)
    }
    return segments
  }

  private func symbols(of text: [UInt8]) -> [Symbol] {
    var symbols: [Symbol] = []
    symbols.reserveCapacity(text.count)
    var position = 0
    while position < text.count {
      let whole = userDefined.isEmpty ? nil : userDefined.longestPrefix(of: text, at: position)
      let count = whole ?? UTF8.width(ofFirst: text[position])
      position = min(position + count, text.count)
      symbols.append(
        Symbol(
          end: Int32(position), next: Int32(symbols.count + 1), previous: Int32(symbols.count - 1),
          isFrozen: whole != nil))
    }
    if !symbols.isEmpty { symbols[symbols.count - 1].next = -1 }
    return symbols
  }

  /// Appends a piece, or the parts of one that may not be used.
  private func append(
    _ range: Range<Int>, of text: [UInt8], _ halves: [Int32: Int], to segments: inout [Segment]
  ) {
    var waiting = [range]
    while let range = waiting.popLast() {
      let id = trie.value(of: text[range]).map { Int32($0) }
      if let id, unused.contains(id), let half = halves[id], half < range.count {
        waiting.append(range.lowerBound + half..<range.upperBound)
        waiting.append(range.lowerBound..<range.lowerBound + half)
      } else {
        segments.append(Segment(end: range.upperBound, id: id))
      }
    }
  }
}
