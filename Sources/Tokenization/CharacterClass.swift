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
    self = Self.isKnown(scalar) ? kind : .other
  }

  /// Whether the reference's regular expressions know the character.
  static func isKnown(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.age.map { $0.major <= unicodeVersion } ?? true
  }

  /// Whether the reference's `Digits` takes the character for a number.
  static func isNumeric(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return ("0"..."9").contains(scalar) }
    return switch scalar.properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: true
    default: false
    }
  }

  /// Whether the reference's `Punctuation` takes the character for such.
  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII {
      return switch scalar {
      case "!"..."/", ":"..."@", "["..."`", "{"..."~": true
      default: false
      }
    }
    return switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      scalar.properties.age.map { $0.major <= punctuationVersion } ?? true
    default: false
    }
  }

  /// The Unicode version of the reference's table of punctuation.
  private static let punctuationVersion = 8

  /// Whether `\w` of the reference's added tokens matches the character.
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    return switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
    default: properties.isAlphabetic || properties.isJoinControl
    }
  }
}
