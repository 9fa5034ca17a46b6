/// What pre-tokenizers' patterns tell apart: `\p{L}`, `\p{N}`, `\s` and the rest.
enum CharacterClass {
  case letter
  case number
  /// CR and LF, which are white space too.
  case newline
  case space
  case other

  var isSpace: Bool { self == .newline || self == .space }

  /// The Unicode version of the reference's regular expressions; whatever was assigned later is `other` to them.
  private static let unicodeVersion = 16

  init(_ scalar: Unicode.Scalar) {
    if scalar.isASCII {
      switch scalar {
      case "a"..."z", "A"..."Z": self = .letter
      case "0"..."9": self = .number
      case "\n", "\r": self = .newline
      case " ", "\t", "\u{b}", "\u{c}": self = .space
      default: self = .other
      }
      return
    }
    let properties = scalar.properties
    let kind: CharacterClass =
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
        .letter
      case .decimalNumber, .letterNumber, .otherNumber: .number
      default: properties.isWhitespace ? .space : .other
      }
    let isKnown = properties.age.map { $0.major <= Self.unicodeVersion } ?? true
    self = isKnown ? kind : .other
  }

  /// Whether `\w` of the reference's added tokens matches the character.
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    return switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
    default: properties.isAlphabetic || properties.isJoinControl
    }
  }
}
