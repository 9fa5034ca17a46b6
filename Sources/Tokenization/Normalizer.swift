/// What happens to a text before it is cut into words, step by step.
struct Normalizer: Sendable {
  /// One step.
  enum Step: Sendable {
    /// Unicode's canonical composition.
    case composed
    /// Put a text before texts that aren't empty.
    case prepend([Unicode.Scalar])
    /// Put one text in the place of another.
    case replace([Unicode.Scalar], by: [Unicode.Scalar])
    /// Put a text in the place of two or more spaces (` {2,}`).
    case replaceSpaces(by: [Unicode.Scalar])
    /// Drop white space at the ends.
    case strip(left: Bool, right: Bool)
    /// Replace characters by the map of a SentencePiece model.
    case map(CharacterMap)
  }

  /// In the order in which they run.
  var steps: [Step] = []

  /// Whether one of them composes.
  var composes: Bool {
    steps.contains { if case .composed = $0 { true } else { false } }
  }

  /// The text as the reference's normalizers give it.
  func normalized(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    steps.reduce(text) { Self.normalized($0, $1) }
  }

  private static func normalized(_ text: [Unicode.Scalar], _ step: Step) -> [Unicode.Scalar] {
    switch step {
    case .composed: return CanonicalForm.composed(text)
    case .prepend(let prefix): return text.isEmpty ? text : prefix + text
    case .replace(let other, let replacement): return replaced(text, other, replacement)
    case .replaceSpaces(let replacement): return spacesReplaced(text, replacement)
    case .strip(let left, let right):
      var part = text[...]
      if left { part = part.drop { CharacterClass($0).isSpace } }
      while right, let last = part.last, CharacterClass(last).isSpace { part.removeLast() }
      return Array(part)
    case .map(let map): return map.mapped(text)
    }
  }

  private static func replaced(
    _ text: [Unicode.Scalar], _ other: [Unicode.Scalar], _ replacement: [Unicode.Scalar]
  ) -> [Unicode.Scalar] {
    guard let first = other.first, text.contains(first) else { return text }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      let end = index + other.count
      if text[index] == first, end <= text.count, text[index..<end].elementsEqual(other) {
        result += replacement
        index = end
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  private static func spacesReplaced(
    _ text: [Unicode.Scalar], _ replacement: [Unicode.Scalar]
  ) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      var end = index
      while end < text.count, text[end] == " " { end += 1 }
      if end - index > 1 {
        result += replacement
      } else {
        end = index + 1
        result.append(text[index])
      }
      index = end
    }
    return result
  }
}
