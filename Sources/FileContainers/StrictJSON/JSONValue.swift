// Whole JSON documents from checkpoints: configurations and indexes. Numbers keep their text, objects their order.

public import TensorModel

/// A JSON value as it was written.
public enum JSONValue: Hashable, Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number's text.
  case number(String)
  /// A string.
  case string(String)
  /// An array.
  case array([JSONValue])
  /// An object in the order of its text; no key twice.
  case object([Member])

  /// A member of an object.
  public struct Member: Hashable, Sendable {
    /// The key.
    public let key: String
    /// The value.
    public var value: JSONValue
    /// Where the value's text lies in the document; nil for values of our own.
    public let range: Range<Int>?

    /// A member.
    public init(_ key: String, _ value: JSONValue, range: Range<Int>? = nil) {
      self.key = key
      self.value = value
      self.range = range
    }
  }

  /// How deep arrays and objects may nest; configurations have three or four levels.
  public static let maximumDepth = 64

  /// Parses a document.
  ///
  /// - Parameters:
  ///   - bytes: the text.
  ///   - dialect: what counts as JSON.
  /// - Throws: `malformed` with the byte: syntax errors, duplicate keys, more than 64 levels.
  public init(
    parsing bytes: [UInt8], dialect: JSONScanner.Dialect = .strict
  ) throws(CheckpointError) {
    var scanner = JSONScanner(bytes, dialect: dialect)
    self = try Self.value(&scanner, depth: 0)
    scanner.skipWhitespace()
    try scanner.expectEnd()
  }

  private static func value(
    _ scanner: inout JSONScanner, depth: Int
  ) throws(CheckpointError) -> JSONValue {
    guard depth < maximumDepth else { throw scanner.error("nested too deeply") }
    switch scanner.peek() {
    case UInt8(ascii: "{"): return .object(try members(&scanner, depth: depth))
    case UInt8(ascii: "["): return .array(try elements(&scanner, depth: depth))
    case UInt8(ascii: "\""): return .string(try scanner.string())
    default:
      if scanner.takeLiteral("null") { return .null }
      if scanner.takeLiteral("true") { return .bool(true) }
      if scanner.takeLiteral("false") { return .bool(false) }
      return .number(try scanner.numberText())
    }
  }

  private static func members(
    _ scanner: inout JSONScanner, depth: Int
  ) throws(CheckpointError) -> [Member] {
    var members: [Member] = []
    var keys: Set<ExactName> = []
    try scanner.expect("{")
    if scanner.take("}") { return members }
    repeat {
      scanner.skipWhitespace()
      let position = scanner
      let key = try scanner.string()
      guard keys.insert(ExactName(key)).inserted else {
        throw position.error("the key '\(key)' stands twice in an object")
      }
      try scanner.expect(":")
      scanner.skipWhitespace()
      let start = scanner.offset
      let value = try value(&scanner, depth: depth + 1)
      members.append(Member(key, value, range: start..<scanner.offset))
    } while scanner.take(",")
    try scanner.expect("}")
    return members
  }

  private static func elements(
    _ scanner: inout JSONScanner, depth: Int
  ) throws(CheckpointError) -> [JSONValue] {
    var elements: [JSONValue] = []
    try scanner.expect("[")
    if scanner.take("]") { return elements }
    repeat { elements.append(try value(&scanner, depth: depth + 1)) } while scanner.take(",")
    try scanner.expect("]")
    return elements
  }

  /// The value of a key, if this is an object that has it.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { ExactName($0.key) == ExactName(key) }?.value
  }

  /// The members, if this is an object.
  public var members: [Member]? {
    guard case .object(let members) = self else { return nil }
    return members
  }

  /// The elements, if this is an array.
  public var elements: [JSONValue]? {
    guard case .array(let elements) = self else { return nil }
    return elements
  }

  /// The text, if this is a string.
  public var text: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  /// The value, if this is an integer; `64.0` is not.
  public var integer: Int? {
    guard case .number(let text) = self else { return nil }
    return Int(text)
  }

  /// The value, if this is a number; NaN and infinities where the dialect has them.
  public var double: Double? {
    guard case .number(let text) = self else { return nil }
    return Double(text)
  }

  /// The value, if this is a truth value.
  public var boolean: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }
}

extension JSONValue {
  /// A positive integer of a configuration, below 2^31.
  ///
  /// - Parameters:
  ///   - key: where it stands.
  ///   - hint: what to do if it isn't there.
  /// - Returns: the integer.
  /// - Throws: `usage` if there is no such key or no such number.
  public func positiveInteger(
    _ key: String, hint: String? = nil
  ) throws(CheckpointError) -> Int {
    guard let value = self[key]?.integer, value > 0, value < 1 << 31 else {
      throw CheckpointError(
        .usage, "the configuration needs '\(key)'", expected: "a positive integer",
        found: self[key]?.shortText ?? "no such key", hint: hint)
    }
    return value
  }

  /// The value's text, for messages.
  public var shortText: String {
    var text = ""
    append(to: &text, indentation: nil, limit: Self.shortTextByteCount)
    let isWhole = text.utf8.count < Self.shortTextByteCount
    return isWhole && text.count <= 60 ? text : "\(text.prefix(57))..."
  }

  /// What is made of a text that is going to be cut; indented, a document is a hundred times as long as it was.
  private static let shortTextByteCount = 4096

  /// A value of ours as a number.
  public static func integer(_ value: Int) -> JSONValue { .number(String(value)) }

  /// The document as indented text, as `config.json` usually looks.
  public var documentText: String {
    var text = ""
    append(to: &text, indentation: "", limit: .max)
    return text
  }

  /// Appends the text, or more than the limit's first bytes of it; without an indentation on one line.
  private func append(to text: inout String, indentation: String?, limit: Int) {
    let deeper = indentation.map { $0 + "  " }
    func separate(_ index: Int) {
      if index > 0 { text += deeper == nil ? ", " : "," }
      if let deeper { text += "\n\(deeper)" }
    }
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .number(let number): text += number
    case .string(let string): text += Self.quoted(string)
    case .array(let elements):
      text += "["
      for (index, element) in elements.enumerated() where text.utf8.count < limit {
        separate(index)
        element.append(to: &text, indentation: deeper, limit: limit)
      }
      if let indentation, !elements.isEmpty { text += "\n\(indentation)" }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, member) in members.enumerated() where text.utf8.count < limit {
        separate(index)
        text += "\(Self.quoted(member.key)): "
        member.value.append(to: &text, indentation: deeper, limit: limit)
      }
      if let indentation, !members.isEmpty { text += "\n\(indentation)" }
      text += "}"
    }
  }

  /// A string as JSON writes it, with its quotation marks.
  public static func quoted(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5c && $0 != 0x7f }
    if isPlain { return "\"\(text)\"" }
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{0}"..<"\u{20}", "\u{7f}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

// Values of tables, written as Swift has them.

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral
{
  /// `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }

  /// Any other number.
  public init(floatLiteral value: Double) { self = .number("\(value)") }

  /// A text.
  public init(stringLiteral value: String) { self = .string(value) }
}

extension JSONValue {
  /// Whether two values are the same, numbers by what they are: `1e-5` is `0.00001`.
  public func isSame(as other: JSONValue) -> Bool {
    if let (a, b) = double.flatMap({ a in other.double.map { (a, $0) } }) { return a == b }
    return self == other
  }

  /// Whether there is nothing in it: `null`, and lists and objects of nothing.
  public var isNothing: Bool {
    switch self {
    case .null: true
    case .array(let elements): elements.allSatisfy(\.isNothing)
    case .object(let members): members.allSatisfy(\.value.isNothing)
    case .bool, .number, .string: false
    }
  }
}
