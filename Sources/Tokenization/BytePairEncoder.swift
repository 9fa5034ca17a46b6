/// Merges the bytes or characters of a word into tokens, the pair of the lowest rank first.
struct BytePairEncoder: Sendable {
  /// What two neighbouring tokens become, and when.
  struct Merge: Sendable {
    let rank: UInt32
    let result: UInt32
  }

  /// The token of each single byte, nil for those that the vocabulary doesn't have.
  var byteTokens: [UInt32?]
  /// The tokens of characters, where words aren't merged from their bytes.
  var characters: CharacterAlphabet?
  /// The merges, by left and right token.
  var merges: [UInt64: Merge]
  /// What stands for bytes without a token; without it they are left out, as the reference does.
  var unknown: UInt32?
  /// Whether one unknown token stands for several bytes in a row.
  var fusesUnknown = false
  /// Words that are tokens as they stand, whatever the merges say (`ignore_merges`).
  var wholeWords: [[UInt8]: UInt32] = [:]

  /// The key of a pair in `merges`.
  static func pair(_ left: UInt32, _ right: UInt32) -> UInt64 { UInt64(left) << 32 | UInt64(right) }

  private func merge(_ left: UInt32, _ right: UInt32) -> Merge? { merges[Self.pair(left, right)] }

  /// The tokens of a word, in time proportional to n log n of its length.
  func tokens(of word: [UInt8]) -> [UInt32] {
    if let token = wholeWords[word] { return [token] }
    let symbols =
      characters?.symbols(of: word, unknown: unknown, fusesUnknown: fusesUnknown)
      ?? symbols(of: word)
    return symbols.count < 2 ? symbols : merged(symbols)
  }

  /// Where a word may be cut without another result: the ends of its parts, in order.
  func partEnds(of word: [UInt8]) -> [Int] {
    guard let characters, wholeWords[word] == nil else { return [word.count] }
    return characters.partEnds(of: word)
  }

  private func symbols(of word: [UInt8]) -> [UInt32] {
    var symbols: [UInt32] = []
    symbols.reserveCapacity(word.count)
    var followsUnknown = false
    for byte in word {
      if let token = byteTokens[Int(byte)] {
        symbols.append(token)
        followsUnknown = false
      } else if let unknown {
        if !(fusesUnknown && followsUnknown) { symbols.append(unknown) }
        followsUnknown = true
      }
    }
    return symbols
  }

  /// The symbols as a linked list, and a queue of the pairs in it that merge.
  private func merged(_ word: [UInt32]) -> [UInt32] {
    var symbols = word
    var next = (1...word.count).map { $0 }
    var previous = (0..<word.count).map { $0 - 1 }
    var isRemoved = [Bool](repeating: false, count: word.count)
    var queue = MergeQueue()
    for position in 1..<word.count {
      if let merge = merge(word[position - 1], word[position]) {
        queue.append(.init(rank: merge.rank, position: UInt32(position - 1), result: merge.result))
      }
    }
    while let candidate = queue.popFirst() {
      let left = Int(candidate.position)
      let right = next[left]
      // A pair that has changed since is stale, unless the one now there makes the same token.
      guard !isRemoved[left], right < word.count,
        merge(symbols[left], symbols[right])?.result == candidate.result
      else { continue }
      symbols[left] = candidate.result
      isRemoved[right] = true
      next[left] = next[right]
      if next[left] < word.count { previous[next[left]] = left }
      for (first, second) in [(previous[left], left), (left, next[left])]
      where first >= 0 && second < word.count {
        if let merge = merge(symbols[first], symbols[second]) {
          queue.append(.init(rank: merge.rank, position: UInt32(first), result: merge.result))
        }
      }
    }
    return symbols.indices.filter { !isRemoved[$0] }.map { symbols[$0] }
  }
}

/// Pairs waiting to be merged: a binary heap, the lowest rank first, then the leftmost.
struct MergeQueue {
  struct Candidate {
    let rank: UInt32
    let position: UInt32
    let result: UInt32

    var order: UInt64 { UInt64(rank) << 32 | UInt64(position) }
  }

  private var heap: [Candidate] = []

  mutating func append(_ candidate: Candidate) {
    heap.append(candidate)
    var index = heap.count - 1
    while index > 0, heap[index].order < heap[(index - 1) / 2].order {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  mutating func popFirst() -> Candidate? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    if heap.isEmpty { return first }
    heap[0] = last
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2]
      where child < heap.count && heap[child].order < heap[least].order {
        least = child
      }
      if least == index { return first }
      heap.swapAt(index, least)
      index = least
    }
  }
}
