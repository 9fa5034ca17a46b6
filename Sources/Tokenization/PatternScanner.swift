/// One position in a text, and where the expressions' alternatives end that match there.
struct PatternScanner {
  private let text: ArraySlice<Unicode.Scalar>
  var position: Int

  init(_ text: ArraySlice<Unicode.Scalar>) {
    self.text = text
    position = text.startIndex
  }

  var isAtEnd: Bool { position == text.endIndex }

  private func characterClass(at index: Int) -> CharacterClass? {
    index < text.endIndex ? CharacterClass(text[index]) : nil
  }

  private func endOfRun(from start: Int, of member: (CharacterClass) -> Bool) -> Int {
    var index = start
    while let next = characterClass(at: index), member(next) { index += 1 }
    return index
  }

  /// The position, after a space if one is there (` ?`).
  private var afterOptionalSpace: Int { text[position] == " " ? position + 1 : position }

  /// `'s|'t|'re|'ve|'m|'ll|'d`.
  private func endOfContraction(at position: Int, anyCase: Bool) -> Int? {
    func letter(_ index: Int) -> Unicode.Scalar? {
      guard index < text.endIndex else { return nil }
      let scalar = text[index]
      guard anyCase else { return scalar }
      // U+017F, the long s, is an s when case doesn't matter.
      if scalar == "\u{17f}" { return "s" }
      return ("A"..."Z").contains(scalar) ? Unicode.Scalar(UInt8(scalar.value) | 0x20) : scalar
    }
    guard position < text.endIndex, text[position] == "'", let first = letter(position + 1) else {
      return nil
    }
    switch first {
    case "s", "t", "m", "d": return position + 2
    case "r", "v": return letter(position + 2) == "e" ? position + 3 : nil
    case "l": return letter(position + 2) == "l" ? position + 3 : nil
    default: return nil
    }
  }

  /// `\s+(?!\S)|\s+`: white space up to the last one before a word, which belongs to that word.
  private func endOfSpaces(runEnd: Int) -> Int {
    runEnd == text.endIndex || runEnd - position == 1 ? runEnd : runEnd - 1
  }

  func endOfGPT2Word() -> Int {
    if let end = endOfContraction(at: position, anyCase: false) { return end }
    let start = afterOptionalSpace
    if let first = characterClass(at: start), !first.isSpace {
      return endOfRun(from: start) { $0 == first }
    }
    return endOfSpaces(runEnd: endOfRun(from: position) { $0.isSpace })
  }

  func endOfLlamaWord(digits: Int) -> Int {
    if let end = endOfContraction(at: position, anyCase: true) { return end }
    let first = CharacterClass(text[position])
    if first == .letter { return endOfRun(from: position) { $0 == .letter } }
    if first == .space || first == .other, characterClass(at: position + 1) == .letter {
      return endOfRun(from: position + 1) { $0 == .letter }
    }
    return endOfOther(first, digits: digits) { $0 == "\r" || $0 == "\n" }
  }

  /// `\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[…]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
  private func endOfOther(
    _ first: CharacterClass, digits: Int, tail: (Unicode.Scalar) -> Bool
  ) -> Int {
    if first == .number {
      var end = position
      while end < position + digits, characterClass(at: end) == .number { end += 1 }
      return end
    }
    if characterClass(at: afterOptionalSpace) == .other {
      var end = endOfRun(from: afterOptionalSpace) { $0 == .other }
      while end < text.endIndex, tail(text[end]) { end += 1 }
      return end
    }
    let runEnd = endOfRun(from: position) { $0.isSpace }
    if let last = text[position..<runEnd].lastIndex(where: { CharacterClass($0) == .newline }) {
      return last + 1
    }
    return endOfSpaces(runEnd: runEnd)
  }

  func endOfGPT4oWord() -> Int {
    let first = CharacterClass(text[position])
    let takesPrefix = first == .space || first == .other
    for needsSmall in [true, false] {
      for start in takesPrefix ? [position + 1, position] : [position] {
        if let end = endOfCasedWord(from: start, needsSmall: needsSmall) {
          return endOfContraction(at: end, anyCase: true) ?? end
        }
      }
    }
    return endOfOther(first, digits: 3) { $0 == "\r" || $0 == "\n" || $0 == "/" }
  }

  /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`, or with the `+` at the other part.
  private func endOfCasedWord(from start: Int, needsSmall: Bool) -> Int? {
    var end = start
    var lastSmall: Int?
    while end < text.endIndex, let letter = LetterCase(text[end]), letter != .small {
      if letter == .either { lastSmall = end }
      end += 1
    }
    if end < text.endIndex, LetterCase(text[end]) == .small {
      if !needsSmall, end == start { return nil }
      while end < text.endIndex, let letter = LetterCase(text[end]), letter != .capital { end += 1 }
      return end
    }
    if needsSmall { return lastSmall.map { $0 + 1 } }
    return end > start ? end : nil
  }

  /// What is matched, or what lies before the next match.
  func endOfBloomWord() -> Int {
    func isPart(_ index: Int) -> Bool {
      index < text.endIndex && !Self.bloomExceptions.contains(text[index])
        && !CharacterClass(text[index]).isSpace
    }
    var end = position
    if isPart(afterOptionalSpace) {
      end = afterOptionalSpace
      while isPart(end) { end += 1 }
      return end
    }
    repeat { end += 1 } while end < text.endIndex && !isPart(end)
    // A space before a word is its own.
    let takesSpace = end < text.endIndex && text[end - 1] == " " && end - 1 > position
    return takesSpace ? end - 1 : end
  }

  private static let bloomExceptions = Set("(|.,!?…。，、।۔،)".unicodeScalars)

  func endOfThreeDigits() -> Int {
    func isMatch(_ start: Int) -> Bool {
      start + 3 <= text.endIndex
        && text[start..<start + 3].allSatisfy { ("0"..."9").contains($0) }
    }
    if isMatch(position) { return position + 3 }
    var end = position + 1
    while end < text.endIndex, !isMatch(end) { end += 1 }
    return end
  }
}

/// What GPT-4o's pattern tells apart: `\p{Lu}\p{Lt}`, `\p{Ll}`, and `\p{Lm}\p{Lo}\p{M}`, which are in both of its parts.
private enum LetterCase {
  case capital
  case small
  case either

  init?(_ scalar: Unicode.Scalar) {
    if scalar.isASCII {
      switch scalar {
      case "a"..."z": self = .small
      case "A"..."Z": self = .capital
      default: return nil
      }
      return
    }
    guard CharacterClass.isKnown(scalar) else { return nil }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .titlecaseLetter: self = .capital
    case .lowercaseLetter: self = .small
    case .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark, .enclosingMark:
      self = .either
    default: return nil
    }
  }
}
