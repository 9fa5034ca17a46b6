// A strict scanner for JSON in untrusted files (RFC 8259): exact byte offsets, exact integers, no recursion, no leniency.
// Foundation's decoders merge duplicate keys, turn integers into doubles and take `true` for 1; this doesn't.

public import TensorModel

/// Reads JSON tokens one after the other from bytes.
public struct JSONScanner {
  /// The text.
  private let bytes: [UInt8]
  /// The next byte to look at.
  public private(set) var offset: Int
  private let end: Int
  /// Where the text begins in its file, so that errors name bytes of the file.
  private let base: Int
  private let dialect: Dialect

  /// What counts as JSON.
  public enum Dialect: Sendable {
    /// RFC 8259.
    case strict
    /// With `NaN`, `Infinity` and `-Infinity`, as Python's `json` writes and reads them.
    case python
  }

  /// A scanner over a UTF-8 text.
  ///
  /// - Parameters:
  ///   - bytes: the text.
  ///   - base: its offset in the file that it is from.
  ///   - dialect: what counts as JSON.
  public init(_ bytes: [UInt8], base: Int = 0, dialect: Dialect = .strict) {
    self.bytes = bytes
    self.base = base
    self.dialect = dialect
    offset = 0
    end = bytes.count
  }

  /// An error at the next byte.
  public func error(
    _ message: String, expected: String? = nil, found: String? = nil, hint: String? = nil
  ) -> CheckpointError {
    CheckpointError(
      .malformed, message, byteOffset: base + offset, expected: expected, found: found ?? foundHere,
      hint: hint)
  }

  private var foundHere: String {
    guard offset < end else { return "the end of the text" }
    let byte = bytes[offset]
    return (0x21...0x7e).contains(byte)
      ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"
  }

  /// Skips the four white space characters that JSON allows.
  public mutating func skipWhitespace() {
    while offset < end {
      switch bytes[offset] {
      case 0x20, 0x09, 0x0a, 0x0d: offset += 1
      default: return
      }
    }
  }

  /// The next byte after white space, which stays unread; nil at the end.
  public mutating func peek() -> UInt8? {
    skipWhitespace()
    return offset < end ? bytes[offset] : nil
  }

  /// Takes a punctuation mark if it is next.
  public mutating func take(_ mark: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: mark) else { return false }
    offset += 1
    return true
  }

  /// Takes a punctuation mark that must be next.
  ///
  /// - Throws: `malformed`.
  public mutating func expect(_ mark: Unicode.Scalar) throws(CheckpointError) {
    guard take(mark) else { throw error("not valid JSON", expected: "'\(mark)'") }
  }

  /// Checks that only the given byte (or nothing) follows.
  ///
  /// - Throws: `malformed`.
  public mutating func expectEnd(paddedWith padding: UInt8? = nil) throws(CheckpointError) {
    while offset < end, bytes[offset] == padding { offset += 1 }
    guard offset == end else { throw error("something follows the JSON text") }
  }

  /// Takes the literal if it is next.
  public mutating func takeLiteral(_ literal: StaticString) -> Bool {
    skipWhitespace()
    let count = literal.utf8CodeUnitCount
    guard end - offset >= count else { return false }
    let matches = literal.withUTF8Buffer { $0.elementsEqual(bytes[offset..<offset + count]) }
    if matches { offset += count }
    return matches
  }

  /// A string, its escapes resolved.
  ///
  /// - Throws: `malformed` for control characters, bad escapes, lone surrogates and invalid UTF-8.
  public mutating func string() throws(CheckpointError) -> String {
    try expect("\"")
    let start = offset
    while offset < end, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\") {
      guard bytes[offset] >= 0x20 else { throw error("control character in a JSON string") }
      offset += 1
    }
    if offset < end, bytes[offset] == UInt8(ascii: "\"") {
      defer { offset += 1 }
      return try validated(bytes[start..<offset], at: start)
    }
    var decoded = Array(bytes[start..<offset])
    while offset < end, bytes[offset] != UInt8(ascii: "\"") {
      let byte = bytes[offset]
      guard byte >= 0x20 else { throw error("control character in a JSON string") }
      if byte == UInt8(ascii: "\\") {
        UTF8.encode(try escape()).map { decoded.append(contentsOf: $0) }
      } else {
        decoded.append(byte)
        offset += 1
      }
    }
    guard offset < end else { throw error("a JSON string doesn't end") }
    offset += 1
    return try validated(decoded[...], at: start)
  }

  private func validated(_ slice: ArraySlice<UInt8>, at start: Int) throws(CheckpointError)
    -> String
  {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw CheckpointError(.malformed, "a JSON string isn't UTF-8", byteOffset: base + start)
    }
    return text
  }

  private mutating func escape() throws(CheckpointError) -> Unicode.Scalar {
    offset += 1
    guard offset < end else { throw error("a JSON string doesn't end") }
    let letter = bytes[offset]
    let simple: Unicode.Scalar? =
      switch letter {
      case UInt8(ascii: "\""): "\""
      case UInt8(ascii: "\\"): "\\"
      case UInt8(ascii: "/"): "/"
      case UInt8(ascii: "b"): "\u{8}"
      case UInt8(ascii: "f"): "\u{c}"
      case UInt8(ascii: "n"): "\n"
      case UInt8(ascii: "r"): "\r"
      case UInt8(ascii: "t"): "\t"
      default: nil
      }
    guard simple != nil || letter == UInt8(ascii: "u") else {
      throw error("unknown escape in a JSON string")
    }
    offset += 1
    if let simple { return simple }
    let first = try hexadecimalUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xdc00, offset + 1 < end, bytes[offset] == UInt8(ascii: "\\"),
      bytes[offset + 1] == UInt8(ascii: "u")
    else { throw error("a lone surrogate in a JSON string") }
    offset += 2
    let second = try hexadecimalUnit()
    guard (0xdc00...0xdfff).contains(second),
      let scalar = Unicode.Scalar(
        0x10000 + (UInt32(first) - 0xd800) << 10 + UInt32(second) - 0xdc00)
    else { throw error("a lone surrogate in a JSON string") }
    return scalar
  }

  private mutating func hexadecimalUnit() throws(CheckpointError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard offset < end, let digit = Self.hexadecimalDigit(bytes[offset]) else {
        throw error("unknown escape in a JSON string", expected: "four hexadecimal digits")
      }
      value = value << 4 | UInt16(digit)
      offset += 1
    }
    return value
  }

  private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  /// A non-negative integer written as one: no sign, fraction, exponent or leading zero.
  ///
  /// - Throws: `malformed`, also for one that doesn't fit 63 bits.
  public mutating func naturalNumber() throws(CheckpointError) -> Int {
    skipWhitespace()
    let start = offset
    var value = 0
    while offset < end, (0x30...0x39).contains(bytes[offset]) {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(bytes[offset] - 0x30))
      guard !overflow, !carry else {
        throw error("an integer is too large", expected: "at most 2^63-1")
      }
      value = sum
      offset += 1
    }
    let hasLeadingZero = offset - start > 1 && bytes[start] == 0x30
    let goesOn = offset < end && [0x2e, 0x45, 0x65].contains(bytes[offset])
    guard offset > start, !hasLeadingZero, !goesOn else {
      throw error("not a plain non-negative integer")
    }
    return value
  }

  /// The text of a number, checked against JSON's grammar.
  ///
  /// - Throws: `malformed`.
  public mutating func numberText() throws(CheckpointError) -> String {
    skipWhitespace()
    if dialect == .python {
      if takeLiteral("NaN") { return "NaN" }
      if takeLiteral("Infinity") { return "Infinity" }
      if takeLiteral("-Infinity") { return "-Infinity" }
    }
    let start = offset
    func digits(_ offset: inout Int) -> Int {
      let first = offset
      while offset < end, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
      return offset - first
    }
    if offset < end, bytes[offset] == UInt8(ascii: "-") { offset += 1 }
    let integer = offset
    let count = digits(&offset)
    guard count > 0 else { throw error("not valid JSON", expected: "a value") }
    guard count == 1 || bytes[integer] != 0x30 else { throw error("not a JSON number") }
    if offset < end, bytes[offset] == UInt8(ascii: ".") {
      offset += 1
      guard digits(&offset) > 0 else { throw error("not a JSON number") }
    }
    if offset < end, bytes[offset] | 0x20 == UInt8(ascii: "e") {
      offset += 1
      if offset < end, [0x2b, 0x2d].contains(bytes[offset]) { offset += 1 }
      guard digits(&offset) > 0 else { throw error("not a JSON number") }
    }
    return String(decoding: bytes[start..<offset], as: UTF8.self)
  }
}
