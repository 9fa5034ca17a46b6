// The regular expressions that cut a text into words, as scanners. They are known by their exact text: one that differs in
// a single character gives other tokens.

/// A regular expression of a pre-tokenizer.
public enum TextPattern: Sendable, Hashable, CaseIterable {
  /// GPT-2's, also that of GPT-J, GPT-Neo, GPT-NeoX: `ByteLevel`'s own.
  case gpt2
  /// Llama 3's: contractions in any case, numbers in groups of three.
  case llama3
  /// Qwen2's: as Llama 3's, numbers digit by digit.
  case qwen2

  /// The expression as `tokenizer.json` writes it.
  public var expression: String {
    switch self {
    case .gpt2:
      #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    case .llama3:
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"#
        + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    case .qwen2:
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"#
        + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }
  }

  /// What `tokenizer.ggml.pre` of a GGUF calls it.
  public var ggufName: String {
    switch self {
    case .gpt2: "gpt-2"
    case .llama3: "llama-bpe"
    case .qwen2: "qwen2"
    }
  }

  /// Whether llama.cpp takes words that are tokens as they are, whatever the merges say: it goes by that name alone (llama-vocab.cpp).
  public var ignoresMergesInGGUF: Bool { self == .llama3 }

  /// The pattern of that exact text.
  init?(expression: String) {
    guard
      let known = Self.allCases.first(where: { $0.expression.utf8.elementsEqual(expression.utf8) })
    else { return nil }
    self = known
  }

  /// The words of a text, in order; together they are the whole text.
  func words(of text: ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
    var words: [ArraySlice<Unicode.Scalar>] = []
    var scanner = PatternScanner(text)
    while !scanner.isAtEnd {
      let start = scanner.position
      scanner.position = self == .gpt2 ? scanner.endOfGPT2Word() : scanner.endOfLlamaWord(self)
      words.append(text[start..<scanner.position])
    }
    return words
  }
}

/// One position in a text, and where the expressions' alternatives end that match there.
private struct PatternScanner {
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
  private func endOfContraction(anyCase: Bool) -> Int? {
    func letter(_ index: Int) -> Unicode.Scalar? {
      guard index < text.endIndex else { return nil }
      let scalar = text[index]
      guard anyCase else { return scalar }
      // U+017F, the long s, is an s when case doesn't matter.
      if scalar == "\u{17f}" { return "s" }
      return ("A"..."Z").contains(scalar) ? Unicode.Scalar(UInt8(scalar.value) | 0x20) : scalar
    }
    guard text[position] == "'", let first = letter(position + 1) else { return nil }
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
    if let end = endOfContraction(anyCase: false) { return end }
    let start = afterOptionalSpace
    if let first = characterClass(at: start), !first.isSpace {
      return endOfRun(from: start) { $0 == first }
    }
    return endOfSpaces(runEnd: endOfRun(from: position) { $0.isSpace })
  }

  func endOfLlamaWord(_ pattern: TextPattern) -> Int {
    if let end = endOfContraction(anyCase: true) { return end }
    let first = CharacterClass(text[position])
    if first == .letter { return endOfRun(from: position) { $0 == .letter } }
    if first == .space || first == .other, characterClass(at: position + 1) == .letter {
      return endOfRun(from: position + 1) { $0 == .letter }
    }
    if first == .number {
      let longest = position + (pattern == .qwen2 ? 1 : 3)
      var end = position
      while end < longest, characterClass(at: end) == .number { end += 1 }
      return end
    }
    if characterClass(at: afterOptionalSpace) == .other {
      let end = endOfRun(from: afterOptionalSpace) { $0 == .other }
      return endOfRun(from: end) { $0 == .newline }
    }
    let runEnd = endOfRun(from: position) { $0.isSpace }
    if let last = text[position..<runEnd].lastIndex(where: { CharacterClass($0) == .newline }) {
      return last + 1
    }
    return endOfSpaces(runEnd: runEnd)
  }
}
