import Mustache
import TensorModel

/// Texts on a page: what comes from files can neither end an element or attribute nor hide.
///
/// Mustache's own HTML type escapes characters, and `<` after a letter that combines with what follows is part of a longer one: it would stay as it is.
struct XHTMLText: MustacheContentType {
  /// The text with control characters written out, and what is markup as references.
  func escapeText(_ text: String) -> String {
    let shown = printable(text)
    guard shown.unicodeScalars.contains(where: { Self.replacement($0) != nil }) else {
      return shown
    }
    var result = ""
    for scalar in shown.unicodeScalars {
      if let replacement = Self.replacement(scalar) {
        result += replacement
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func replacement(_ scalar: Unicode.Scalar) -> String? {
    switch scalar {
    case "<": "&lt;"
    case ">": "&gt;"
    case "&": "&amp;"
    case "\"": "&quot;"
    case "'": "&#39;"
    // No characters, and not allowed in XML.
    case "\u{fffe}", "\u{ffff}": "\\u{\(String(scalar.value, radix: 16))}"
    default: nil
    }
  }
}
