public import TensorModel

/// JSON as Python's programs write and read it into files beside weights.
public enum JSONFile {
  /// Parses a file; what isn't JSON is named as what it is.
  ///
  /// - Parameters:
  ///   - bytes: all of the file.
  ///   - name: for errors.
  /// - Returns: the document; NaN and infinities, which Python's `json` writes, are numbers.
  /// - Throws: `malformed` with line and column.
  public static func parse(_ bytes: [UInt8], _ name: String) throws(CheckpointError) -> JSONValue {
    try checkBeginning(bytes, name)
    do throws(CheckpointError) { return try JSONValue(parsing: bytes, dialect: .python) } catch {
      throw placed(error, in: bytes, name)
    }
  }

  /// Checks the syntax of a file, of which nothing is kept.
  ///
  /// - Parameters:
  ///   - bytes: all of the file.
  ///   - name: for errors.
  /// - Throws: `malformed` with line and column.
  public static func check(_ bytes: [UInt8], _ name: String) throws(CheckpointError) {
    try scan(bytes, name) { (scanner) throws(CheckpointError) in try scanner.skipValue() }
  }

  /// Goes through a file without keeping it.
  ///
  /// - Parameters:
  ///   - bytes: of the file.
  ///   - name: for messages.
  ///   - read: reads the one value that there is.
  /// - Throws: what `read` throws, with the place in the text; `malformed` for what isn't JSON.
  public static func scan(
    _ bytes: [UInt8], _ name: String,
    _ read: (inout JSONScanner) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try checkBeginning(bytes, name)
    var scanner = JSONScanner(bytes, dialect: .python)
    do throws(CheckpointError) {
      try read(&scanner)
      scanner.skipWhitespace()
      try scanner.expectEnd()
    } catch { throw placed(error, in: bytes, name) }
  }

  private static func checkBeginning(_ bytes: [UInt8], _ name: String) throws(CheckpointError) {
    if let error = StandIn.error(head: Array(bytes.prefix(512))) ?? encodingError(bytes) {
      throw error.in(file: name)
    }
  }

  private static func placed(
    _ error: CheckpointError, in bytes: [UInt8], _ name: String
  ) -> CheckpointError {
    var placed = error.in(file: name)
    if let offset = error.byteOffset {
      placed.message += " (\(place(of: offset, in: bytes)))"
    }
    placed.hint = placed.hint ?? "mend the file in an editor, or get it again"
    return placed
  }

  /// `line 3, column 5`, in bytes from 1.
  private static func place(of offset: Int, in bytes: [UInt8]) -> String {
    let before = bytes.prefix(offset)
    let line = before.reduce(1) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
    let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    return "line \(line), column \(offset - start + 1)"
  }

  /// What a text in another encoding than UTF-8 is; the byte-order mark gives it away, or every other byte being zero.
  private static func encodingError(_ bytes: [UInt8]) -> CheckpointError? {
    let isWide = bytes.count > 3 && (bytes[0] == 0) != (bytes[1] == 0) && bytes[0] != 0xff
    let kinds: [(Bool, String)] = [
      (bytes.starts(with: [0xef, 0xbb, 0xbf]), "begins with a byte-order mark (line 1, column 1)"),
      (
        bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) || isWide,
        "is UTF-16, not UTF-8 (line 1, column 1)"
      ),
    ]
    guard let kind = kinds.first(where: \.0)?.1 else { return nil }
    return CheckpointError(
      .malformed, "the file \(kind), which Python's JSON doesn't read", byteOffset: 0,
      hint: "save it as UTF-8 without a byte-order mark")
  }
}

extension JSONScanner {
  /// Passes over a value, whose syntax is checked and of which nothing is kept: a tokenizer as a tree takes ten times its size.
  ///
  /// - Parameter depth: how many levels it lies in others.
  /// - Throws: `malformed` for syntax errors and more than 64 levels.
  public mutating func skipValue(depth: Int = 0) throws(CheckpointError) {
    guard depth < JSONValue.maximumDepth else { throw error("nested too deeply") }
    switch peek() {
    case UInt8(ascii: "{"):
      try expect("{")
      if take("}") { return }
      repeat {
        skipWhitespace()
        _ = try string()
        try expect(":")
        skipWhitespace()
        try skipValue(depth: depth + 1)
      } while take(",")
      try expect("}")
    case UInt8(ascii: "["):
      try expect("[")
      if take("]") { return }
      repeat { try skipValue(depth: depth + 1) } while take(",")
      try expect("]")
    case UInt8(ascii: "\""): _ = try string()
    default:
      if takeLiteral("null") || takeLiteral("true") || takeLiteral("false") { return }
      _ = try numberText()
    }
  }
}
