public import TensorModel

/// Settings in YAML as people write them for training programs: mappings, sequences and scalars in one document.
///
/// JSON is YAML too. Plain scalars mean what PyYAML makes of them, with two differences: `1e-5` is a number, and integers that aren't plain decimal
/// ones (`0x10`, `010`, `1_000`, `1:30`) stay texts, so that nobody takes them for another number.
public enum YAMLFile {
  /// What a file may have at most.
  public static let maximumByteCount = 1 << 20
  /// How deep mappings and sequences may lie in each other.
  public static let maximumDepth = 32

  private static let endings = [".yml", ".yaml"]

  /// Whether a file is called as YAML is.
  public static func isNamed(_ name: String) -> Bool { endings.contains(where: name.hasSuffix) }

  /// Parses a text.
  ///
  /// - Parameters:
  ///   - bytes: all of the file, in UTF-8.
  ///   - name: for errors.
  /// - Returns: the document, keys in their order; `null` for an empty one.
  /// - Throws: `malformed` with the line for what is no YAML, or has a key twice; `unsupported` for tags, anchors, aliases, a second document, keys that
  ///   are no scalars, and what is too large or too deep.
  public static func parse(_ bytes: [UInt8], _ name: String) throws(CheckpointError) -> JSONValue {
    guard bytes.count <= maximumByteCount else {
      throw CheckpointError(
        .unsupported, "too large for a configuration", file: name,
        expected: "at most \(maximumByteCount) bytes", found: "\(bytes.count)")
    }
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw CheckpointError(.malformed, "not a text in UTF-8", file: name)
    }
    let result = bytes.withUnsafeBufferPointer { (text) -> Result<JSONValue, CheckpointError> in
      do throws(CheckpointError) { return .success(try document(text)) } catch {
        return .failure(error)
      }
    }
    do throws(CheckpointError) { return try result.get() } catch { throw error.in(file: name) }
  }

  private static func document(
    _ text: UnsafeBufferPointer<UInt8>
  ) throws(CheckpointError) -> JSONValue {
    var events = YAMLEvents(text)
    var open: [Container] = []
    var root = JSONValue.null
    while true {
      let value: JSONValue
      let event = try events.next()
      switch event {
      case .streamEnd: return root
      case .scalar(let text, let isPlain):
        if open.last?.takesKey == true {
          guard !isPlain || text != "<<" else {
            throw events.error(.unsupported, "a key that merges mappings")
          }
          guard open[open.count - 1].take(key: text) else {
            throw events.error(.malformed, "the key '\(text)' stands twice in a mapping")
          }
          continue
        }
        value = isPlain ? plain(text) : .string(text)
      case .sequenceStart, .mappingStart:
        guard open.last?.takesKey != true else {
          throw events.error(.unsupported, "a key that is no scalar")
        }
        guard open.count < maximumDepth else {
          throw events.error(.unsupported, "more than \(maximumDepth) levels")
        }
        open.append(Container(isMapping: event.startsMapping))
        continue
      case .end:
        guard let closed = open.popLast() else { continue }
        value = closed.value
      }
      if open.isEmpty { root = value } else { open[open.count - 1].append(value) }
    }
  }

  /// What a scalar without quotes is.
  private static func plain(_ text: String) -> JSONValue {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
    default: return number(text).map { .number($0) } ?? .string(text)
    }
  }

  /// A number as JSON writes it; nil for anything else.
  private static func number(_ text: String) -> String? {
    var rest = text.utf8[...]
    func take(_ bytes: String) -> String {
      guard let byte = rest.first, bytes.utf8.contains(byte) else { return "" }
      rest = rest.dropFirst()
      return String(UnicodeScalar(byte))
    }
    func digits() -> String {
      let run = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
      rest = rest[run.endIndex...]
      return String(Substring(run))
    }
    guard text.utf8.count <= maximumNumberByteCount else { return nil }
    let sign = take("+-")
    let whole = digits()
    let hasPoint = !take(".").isEmpty
    let fraction = hasPoint ? digits() : ""
    // `010` is 8 for some programs and 10 for others.
    guard !whole.isEmpty || !fraction.isEmpty, whole.utf8.count < 2 || !whole.hasPrefix("0")
    else { return nil }
    var exponent = ""
    if !take("eE").isEmpty {
      let sign = take("+-")
      let power = digits()
      guard !power.isEmpty else { return nil }
      exponent = "e\(sign)\(power)"
    }
    guard rest.isEmpty else { return nil }
    return (sign == "-" ? "-" : "") + (whole.isEmpty ? "0" : whole)
      + (hasPoint ? ".\(fraction.isEmpty ? "0" : fraction)" : "") + exponent
  }

  private static let maximumNumberByteCount = 64

  /// A mapping or a sequence that isn't complete.
  private struct Container {
    private let isMapping: Bool
    private var elements: [JSONValue] = []
    private var members: [JSONValue.Member] = []
    private var keys: Set<ExactName> = []
    private var key: String?

    init(isMapping: Bool) { self.isMapping = isMapping }

    /// Whether the next scalar is a key.
    var takesKey: Bool { isMapping && key == nil }

    var value: JSONValue { isMapping ? .object(members) : .array(elements) }

    /// Takes a key, unless the mapping has it.
    mutating func take(key: String) -> Bool {
      self.key = key
      return keys.insert(ExactName(key)).inserted
    }

    mutating func append(_ value: JSONValue) {
      guard let key else { return elements.append(value) }
      members.append(.init(key, value))
      self.key = nil
    }
  }
}

extension YAMLEvent {
  fileprivate var startsMapping: Bool { if case .mappingStart = self { true } else { false } }
}
