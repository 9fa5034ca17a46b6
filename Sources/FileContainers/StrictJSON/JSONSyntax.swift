import TensorModel

extension JSONScanner {
  /// Passes over a value, whose syntax is checked and of which nothing is kept: a tokenizer as a tree takes ten times its size.
  ///
  /// - Throws: `malformed` for syntax errors and more than 64 levels.
  mutating func skipValue(depth: Int = 0) throws(CheckpointError) {
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
