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
  /// GPT-4o's, also that of gpt-oss and Phi-4-mini: words end where capitals begin.
  case gpt4o
  /// BLOOM's: whatever is neither white space nor punctuation of several scripts; what it doesn't match stays in one piece.
  case bloom
  /// Falcon's last: ASCII digits in groups of three; what it doesn't match stays in one piece.
  case threeDigits

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
    case .gpt4o:
      #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#
        + #"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"#
        + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    case .bloom: #" ?[^(\s|[.,!?…。，、।۔،])]+"#
    case .threeDigits: "[0-9][0-9][0-9]"
    }
  }

  /// Whether every text is matched from its beginning to its end.
  var matchesEverything: Bool { self != .bloom && self != .threeDigits }

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
      scanner.position = end(scanner)
      words.append(text[start..<scanner.position])
    }
    return words
  }

  private func end(_ scanner: PatternScanner) -> Int {
    switch self {
    case .gpt2: scanner.endOfGPT2Word()
    case .llama3: scanner.endOfLlamaWord(digits: 3)
    case .qwen2: scanner.endOfLlamaWord(digits: 1)
    case .gpt4o: scanner.endOfGPT4oWord()
    case .bloom: scanner.endOfBloomWord()
    case .threeDigits: scanner.endOfThreeDigits()
    }
  }
}
