/// Makes a text of tokens again, step by step.
struct TokenDecoder: Sendable {
  /// One step, on the texts of all tokens.
  enum Step: Sendable, Hashable {
    /// Read the byte alphabet.
    case byteLevel
    /// Put one text in the place of another.
    case replace(String, by: String)
    /// Make characters of tokens that stand for bytes.
    case byteFallback
    /// Join all.
    case fuse
    /// Drop so many characters at the ends of each, if they are these.
    case strip(Character, start: Int, stop: Int)
    /// Read marks as spaces; `dropsFirst` drops those of the first token.
    case metaspace(Unicode.Scalar, dropsFirst: Bool)
  }

  /// In the order in which they run; none joins tokens with spaces.
  var steps: [Step]

  /// What byte-level BPE is decoded by.
  static let byteLevel = TokenDecoder(steps: [.byteLevel])

  /// Whether tokens are written in the byte alphabet.
  var isByteLevel: Bool { steps == [.byteLevel] }

  /// The text of tokens; not for the byte alphabet, whose tokens `Tokenizer` joins byte by byte.
  func text(of tokens: [String]) -> String {
    guard !steps.isEmpty else { return tokens.joined(separator: " ") }
    return steps.reduce(tokens) { Self.applied($1, to: $0) }.joined()
  }

  private static func applied(_ step: Step, to tokens: [String]) -> [String] {
    switch step {
    case .byteLevel: tokens
    case .replace(let other, let replacement):
      tokens.map { $0.replacingScalars(of: other, by: replacement) }
    case .byteFallback: joiningBytes(tokens)
    case .fuse: [tokens.joined()]
    case .strip(let character, let start, let stop):
      tokens.map { stripped($0, character, start: start, stop: stop) }
    case .metaspace(let mark, let dropsFirst):
      tokens.enumerated().map { index, token in
        var view = String.UnicodeScalarView()
        for scalar in token.unicodeScalars {
          if scalar != mark {
            view.append(scalar)
          } else if index > 0 || !dropsFirst {
            view.append(" ")
          }
        }
        return String(view)
      }
    }
  }

  /// The byte that a token such as `<0x41>` stands for.
  static func byte(of token: String) -> UInt8? {
    let bytes = Array(token.utf8)
    guard bytes.count == 6, bytes.starts(with: "<0x".utf8), bytes[5] == UInt8(ascii: ">"),
      bytes[3] != UInt8(ascii: "+")
    else { return nil }
    return UInt8(String(decoding: bytes[3..<5], as: UTF8.self), radix: 16)
  }

  private static func joiningBytes(_ tokens: [String]) -> [String] {
    var result: [String] = []
    var bytes: [UInt8] = []
    func finish() {
      guard !bytes.isEmpty else { return }
      // Of bytes that are no text each becomes a mark.
      result +=
        String(validating: bytes, as: UTF8.self).map { [$0] }
        ?? bytes.map { _ in "\u{fffd}" }
      bytes = []
    }
    for token in tokens {
      if let byte = byte(of: token) {
        bytes.append(byte)
      } else {
        finish()
        result.append(token)
      }
    }
    finish()
    return result
  }

  private static func stripped(
    _ token: String, _ character: Character, start: Int, stop: Int
  ) -> String {
    let wanted = Array(String(character).unicodeScalars)
    guard wanted.count == 1 else { return token }
    var scalars = Array(token.unicodeScalars)[...]
    for _ in 0..<start where scalars.first == wanted[0] { scalars.removeFirst() }
    for _ in 0..<stop where scalars.last == wanted[0] { scalars.removeLast() }
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }
}

extension String {
  /// The text with one sequence of characters in the place of another.
  fileprivate func replacingScalars(of other: String, by replacement: String) -> String {
    let step = Normalizer.Step.replace(
      Array(other.unicodeScalars), by: Array(replacement.unicodeScalars))
    var view = String.UnicodeScalarView()
    view.append(contentsOf: Normalizer(steps: [step]).normalized(Array(unicodeScalars)))
    return String(view)
  }
}
