// Whatever is printed is data: names, paths and values from files can't control a terminal, begin a line or hide text.

/// A text from an untrusted file, made harmless for terminals, logs and pages: control and format characters (C0, C1, marks of
/// writing direction) and separators of lines are written as `\u{1b}`.
///
/// - Parameters:
///   - text: anything.
///   - keepingLines: leave line feeds as they are; for texts of our own.
/// - Returns: the text to print.
public func printable(_ text: String, keepingLines: Bool = false) -> String {
  if isPlain(text) { return text }
  func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isHarmless || keepingLines && scalar == "\n"
  }
  if text.unicodeScalars.allSatisfy(isHarmless) { return text }
  var result = ""
  for scalar in text.unicodeScalars {
    if isHarmless(scalar) {
      result.unicodeScalars.append(scalar)
    } else {
      result += "\\u{\(String(scalar.value, radix: 16))}"
    }
  }
  return result
}

/// A text for a log, in which no line is a command for the program that runs a pipeline.
///
/// GitHub's runner obeys `::name …::` at the start of a line, after white space, and `##[name …]` anywhere in one; others obey
/// `##vso[…]` and `##teamcity[…]`. The first `:` and the second `#` of them are written as `\u{3a}` and `\u{23}`.
///
/// - Parameter text: of any number of lines.
/// - Returns: the same text where it has none of these.
public func inert(_ text: String) -> String {
  let bytes = Array(text.utf8)
  let marks = markedNumberSigns(bytes)
  guard !marks.isEmpty || bytes.indices.dropFirst().contains(where: { isColonPair(bytes, $0) })
  else { return text }
  var result = replacing(marks, in: bytes, with: "\\u{23}")
  if result.indices.dropFirst().contains(where: { isColonPair(result, $0) }) {
    var lines = ""
    var startsLine = true
    let scalars = Array(String(decoding: result, as: UTF8.self).unicodeScalars)
    for (place, scalar) in scalars.enumerated() {
      let isCommand =
        startsLine && scalar == ":" && place + 1 < scalars.count && scalars[place + 1] == ":"
      if isCommand { lines += "\\u{3a}" } else { lines.unicodeScalars.append(scalar) }
      startsLine =
        scalar == "\n" || scalar == "\r" || startsLine && scalar.properties.isWhitespace
    }
    result = Array(lines.utf8)
  }
  return String(decoding: result, as: UTF8.self)
}

private func isColonPair(_ text: [UInt8], _ end: Int) -> Bool {
  text[end] == UInt8(ascii: ":") && text[end - 1] == UInt8(ascii: ":")
}

/// The places of the second `#` of every `##[` and `##word[`.
private func markedNumberSigns(_ text: [UInt8]) -> [Int] {
  let sign = UInt8(ascii: "#")
  var places: [Int] = []
  var next = 0
  while let first = text[next...].firstIndex(of: sign), first + 1 < text.count {
    next = first + 1
    guard text[next] == sign else { continue }
    let rest = text[(next + 1)...].prefix(longestCommandWord + 1)
    let end = rest.firstIndex { !(65...90).contains($0 & 0xdf) }
    if let end, text[end] == UInt8(ascii: "[") { places.append(next) }
  }
  return places
}

/// No program has a longer word between `##` and `[`.
private let longestCommandWord = 32

private func replacing(_ places: [Int], in text: [UInt8], with word: String) -> [UInt8] {
  var result: [UInt8] = []
  var start = 0
  for place in places {
    result += text[start..<place]
    result += word.utf8
    start = place + 1
  }
  return result + text[start...]
}

/// How much of a tensor's name or of a value is shown where a person reads it; JSON has all of it.
public let shownNameLength = 240

/// The beginning of a long text, with `…` at its end.
///
/// - Parameters:
///   - text: anything.
///   - limit: how many characters are left, at least 1.
/// - Returns: the text, if it isn't longer.
public func clipped(_ text: String, to limit: Int) -> String {
  guard text.utf8.count > limit else { return text }
  let scalars = text.unicodeScalars
  guard
    let end = scalars.index(scalars.startIndex, offsetBy: limit, limitedBy: scalars.endIndex),
    end < scalars.endIndex
  else { return text }
  return String(scalars[..<scalars.index(before: end)]) + "…"
}

/// A JSON text of ours in which no character can control a terminal: such ones are written as `\u009b`, and nothing is a command
/// for a pipeline's runner, as in `inert`.
///
/// - Parameter text: valid JSON, whose strings have control characters below U+0020 escaped already.
/// - Returns: the same document.
public func printableJSON(_ text: [UInt8]) -> [UInt8] {
  // Only strings have number signs, and no line of a document begins with what stands in one.
  let marks = markedNumberSigns(text)
  let text = marks.isEmpty ? text : replacing(marks, in: text, with: "\\u0023")
  guard text.contains(where: { $0 >= 0x7f }) else { return text }
  var result: [UInt8] = []
  result.reserveCapacity(text.count)
  var start = 0
  while start < text.count {
    // Runs of ASCII are copied as they are.
    let end = text[start...].firstIndex { $0 >= 0x7f } ?? text.count
    result += text[start..<end]
    start = end
    guard start < text.count else { break }
    let others = text[start...].firstIndex { $0 < 0x7f } ?? text.count
    for scalar in String(decoding: text[start..<others], as: UTF8.self).unicodeScalars {
      if scalar.isHarmless {
        result += UTF8.encode(scalar).map(Array.init) ?? []
      } else {
        for unit in UTF16.encode(scalar).map(Array.init) ?? [] {
          let digits = String(unit, radix: 16)
          result += Array("\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".utf8)
        }
      }
    }
    start = others
  }
  return result
}

/// Whether a text has only printable ASCII, which needs no closer look.
private func isPlain(_ text: String) -> Bool {
  var text = text
  return text.withUTF8 { $0.allSatisfy { (0x20..<0x7f).contains($0) } }
}

extension Unicode.Scalar {
  /// Whether it can be printed as it is.
  var isHarmless: Bool {
    if (0x20..<0x7f).contains(value) { return true }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: return false
    default: return true
    }
  }
}

/// An integer with its thousands grouped.
public func grouped(_ number: Int) -> String {
  var digits = String(number.magnitude)
  var groups: [String] = []
  while digits.count > 3 {
    groups.insert(String(digits.suffix(3)), at: 0)
    digits.removeLast(3)
  }
  groups.insert(digits, at: 0)
  return (number < 0 ? "-" : "") + groups.joined(separator: ",")
}

/// `1 tensor`, `2 tensors`.
public func counted(_ count: Int, _ noun: String) -> String {
  "\(grouped(count)) \(noun)\(count == 1 ? "" : "s")"
}
