/// How many columns of a terminal a text takes: none for marks over other letters, two for East Asian letters and emoji.
///
/// - Parameter text: harmless for terminals, on one line.
/// - Returns: the columns.
func displayWidth(_ text: String) -> Int {
  // Of ASCII, without a look at each.
  if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
  return text.reduce(0) { $0 + width(of: $1) }
}

private func width(of character: Character) -> Int {
  var widest = 0
  for scalar in character.unicodeScalars {
    // A sign that asks for the coloured form of the one before.
    if scalar.value == 0xfe0f { return 2 }
    widest = max(widest, width(of: scalar))
  }
  return widest
}

private func width(of scalar: Unicode.Scalar) -> Int {
  switch scalar.properties.generalCategory {
  case .nonspacingMark, .enclosingMark: return 0
  default: break
  }
  if scalar.properties.isEmojiPresentation { return 2 }
  return wideRanges.contains { $0.contains(scalar.value) } ? 2 : 1
}

/// Blocks of East_Asian_Width W and F (Unicode Standard Annex 11), apart from emoji.
private let wideRanges: [ClosedRange<UInt32>] = [
  0x1100...0x115f, 0x2329...0x232a, 0x2e80...0x303e, 0x3041...0x4dbf, 0x4e00...0xa4cf,
  0xa960...0xa97c, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe10...0xfe19, 0xfe30...0xfe6f,
  0xff01...0xff60, 0xffe0...0xffe6, 0x16fe0...0x18aff, 0x18b00...0x18d08, 0x1aff0...0x1b2fb,
  0x1f200...0x1f265, 0x20000...0x2fffd, 0x30000...0x3fffd,
]

/// A text in lines that break between words.
///
/// - Parameters:
///   - text: of words with spaces between them.
///   - columns: how wide a line may be; a longer word has a line of its own.
///   - indent: spaces before all lines but the first, which count.
/// - Returns: the lines.
func wrapped(_ text: String, to columns: Int, indent: Int = 0) -> [String] {
  guard displayWidth(text) > columns else { return [text] }
  var lines: [String] = []
  var width = 0
  for word in text.split(separator: " ", omittingEmptySubsequences: false) {
    let wordWidth = displayWidth(String(word))
    if !lines.isEmpty, width + 1 + wordWidth <= columns {
      lines[lines.count - 1] += " \(word)"
      width += 1 + wordWidth
    } else {
      let space = lines.isEmpty ? 0 : indent
      lines.append(String(repeating: " ", count: space) + word)
      width = space + wordWidth
    }
  }
  return lines
}
