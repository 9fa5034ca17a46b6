/// A token that is looked for in the text itself, before it is cut into words.
public struct AddedToken: Sendable, Hashable {
  /// Its id.
  public let id: Int
  /// Its text, as it stands in the input.
  public let content: String
  /// Whether it controls the model, such as the end of a text, rather than being part of one.
  public var isSpecial: Bool
  /// Whether it is looked for in the normalized text.
  public var isNormalized: Bool
  /// Whether it is one only where no word goes on before or after it.
  public var isSingleWord = false
  /// Whether it takes the white space before it along.
  public var stripsLeft = false
  /// Whether it takes the white space after it along.
  public var stripsRight = false

  /// Whether it takes white space beside it along, or is one only where no word goes on.
  public var dependsOnNeighbours: Bool { isSingleWord || stripsLeft || stripsRight }
}

/// Finds added tokens in a text: the leftmost, of those the longest.
struct AddedTokenMatcher: Sendable {
  /// A part of a text: a token, or what lies between tokens.
  enum Part {
    case token(Int)
    case text(ArraySlice<Unicode.Scalar>)
  }

  private var tokens: [AddedToken] = []
  /// A tree over the contents: the node that follows a node along a scalar.
  ///
  /// Node 0 is the root.
  private var edges: [UInt64: Int32] = [:]
  /// The token that ends at a node, as its position in `tokens`.
  private var ends: [Int32?] = [nil]
  private var firsts: Set<Unicode.Scalar> = []

  /// A matcher of the tokens by their contents, which a normalizer may have changed.
  init(_ tokens: [(token: AddedToken, content: [Unicode.Scalar])]) {
    for (token, content) in tokens {
      guard let first = content.first else { continue }
      firsts.insert(first)
      var node: Int32 = 0
      for scalar in content {
        let edge = Self.edge(node, scalar)
        if let next = edges[edge] {
          node = next
        } else {
          node = Int32(ends.count)
          ends.append(nil)
          edges[edge] = node
        }
      }
      ends[Int(node)] = Int32(self.tokens.count)
      self.tokens.append(token)
    }
  }

  private static func edge(_ node: Int32, _ scalar: Unicode.Scalar) -> UInt64 {
    UInt64(node) << 32 | UInt64(scalar.value)
  }

  /// The longest token that begins at an index, and where it ends.
  private func match(in text: [Unicode.Scalar], at start: Int) -> (token: AddedToken, end: Int)? {
    guard firsts.contains(text[start]) else { return nil }
    var found: (AddedToken, Int)?
    var node: Int32 = 0
    var index = start
    while index < text.count, let next = edges[Self.edge(node, text[index])] {
      node = next
      index += 1
      if let token = ends[Int(node)] { found = (tokens[Int(token)], index) }
    }
    return found
  }

  /// The parts of a text, in order.
  func parts(of text: [Unicode.Scalar]) -> [Part] {
    guard !tokens.isEmpty else { return text.isEmpty ? [] : [.text(text[...])] }
    var parts: [Part] = []
    var covered = 0
    var spacesEnd = 0
    var index = 0
    while index < text.count {
      guard let (token, matchEnd) = match(in: text, at: index) else {
        index += 1
        continue
      }
      var (start, end) = (index, matchEnd)
      index = matchEnd
      if token.isSingleWord, !Self.standsAlone(start..<end, in: text) { continue }
      if token.stripsLeft {
        while start > covered, CharacterClass(text[start - 1]).isSpace { start -= 1 }
      }
      if token.stripsRight {
        // Spaces that an earlier token took end where those do.
        if end < spacesEnd { end = spacesEnd }
        while end < text.count, CharacterClass(text[end]).isSpace { end += 1 }
        spacesEnd = end
      }
      if covered < start { parts.append(.text(text[covered..<start])) }
      parts.append(.token(token.id))
      covered = end
    }
    if covered < text.count { parts.append(.text(text[covered...])) }
    return parts
  }

  private static func standsAlone(_ range: Range<Int>, in text: [Unicode.Scalar]) -> Bool {
    let followsWord = range.lowerBound > 0 && CharacterClass.isWord(text[range.lowerBound - 1])
    let precedesWord =
      range.upperBound < text.count && CharacterClass.isWord(text[range.upperBound])
    return !followsWord && !precedesWord
  }
}
