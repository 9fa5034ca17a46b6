/// A command as a person can paste it into a shell, whatever the paths are.
///
/// In hints, a command ends its line.
///
/// - Parameters:
///   - words: the command and its options, as they are written.
///   - paths: its arguments, which are quoted; after `--` if one could be taken for an option.
/// - Returns: the command's text, in which no character can control a terminal.
public func shellCommand(_ words: String, _ paths: String...) -> String {
  let needsMark = paths.contains { $0.hasPrefix("-") && $0 != "-" }
  return ([words] + (needsMark ? ["--"] : []) + paths.map(shellQuoted)).joined(separator: " ")
}

/// A text as one word of a shell.
///
/// Control characters are written as `$'\033'`, which bash, zsh, ksh and POSIX shells since 2024 read.
public func shellQuoted(_ text: String) -> String {
  let plain = "/._-+:,@%".unicodeScalars
  let isPlain = text.unicodeScalars.allSatisfy {
    $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil)
      || plain.contains($0)
  }
  if isPlain && !text.isEmpty { return text }
  if text.unicodeScalars.allSatisfy(\.isHarmless) {
    let parts = text.unicodeScalars.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + parts.map { String($0) }.joined(separator: "'\\''") + "'"
  }
  var result = "$'"
  for scalar in text.unicodeScalars {
    switch scalar {
    case "'", "\\": result += "\\\(scalar)"
    case _ where scalar.isHarmless: result.unicodeScalars.append(scalar)
    default:
      for byte in UTF8.encode(scalar).map(Array.init) ?? [] {
        let digits = String(byte, radix: 8)
        result += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
      }
    }
  }
  return result + "'"
}
