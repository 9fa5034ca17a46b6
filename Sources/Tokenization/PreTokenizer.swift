/// Cuts a text into the words within which tokens are merged.
struct PreTokenizer: Sendable {
  /// One step, on each piece that the steps before made.
  enum Step: Sendable, Hashable {
    /// Cut at what the pattern matches.
    case split(TextPattern)
    /// Put a space before a piece that doesn't begin with one.
    case prefixSpace
  }

  /// In the order in which they run.
  var steps: [Step]

  /// The one pattern that cuts, nil if there are several or none.
  var pattern: TextPattern? {
    var patterns: [TextPattern] = []
    for case .split(let pattern) in steps { patterns.append(pattern) }
    return patterns.count == 1 ? patterns[0] : nil
  }

  /// The words of a text that has no added tokens in it.
  func words(of text: [Unicode.Scalar]) -> [ArraySlice<Unicode.Scalar>] {
    var pieces = text.isEmpty ? [] : [text[...]]
    for step in steps {
      switch step {
      case .split(let pattern): pieces = pieces.flatMap { pattern.words(of: $0) }
      case .prefixSpace: pieces = pieces.map { $0.first == " " ? $0 : [" "] + Array($0) }
      }
    }
    return pieces
  }
}
