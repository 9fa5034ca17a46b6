import FileContainers
public import TensorModel

// tokenizer.json, as the tokenizers library writes it:
//
//   { "added_tokens": [{ "id": 50257, "content": "<extra>", … }, …], "model": { "type": "BPE", "vocab": { "!": 0, … }, … }, … }
//
// Unigram's vocab is a list, [["<unk>", 0.0], …], whose places are the ids.

/// What a tokenizer.json says of its tokens, of which nothing else is kept: as a tree it takes ten times its size.
public struct TokenizerOutline {
  /// The token with the largest id; nil where there is none.
  public private(set) var last: (token: String, id: Int)?
  /// Whether there is a model at all, without which it is no tokenizer.
  public private(set) var hasModel = false

  /// What the file is called.
  public static let fileName = "tokenizer.json"

  /// Reads a tokenizer.
  ///
  /// - Parameters:
  ///   - bytes: of the file.
  ///   - name: for messages.
  /// - Throws: `malformed` for what isn't one.
  public init(parsing bytes: [UInt8], _ name: String) throws(CheckpointError) {
    try JSONFile.scan(bytes, name) { (scanner) throws(CheckpointError) in
      try Self.members(&scanner) { (key, scanner) throws(CheckpointError) in
        switch key {
        case "model":
          hasModel = scanner.peek() == UInt8(ascii: "{")
          try Self.members(&scanner) { (key, scanner) throws(CheckpointError) in
            key == "vocab" ? try addVocabulary(&scanner) : try scanner.skipValue()
          }
        case "added_tokens": try addTokens(&scanner)
        default: try scanner.skipValue()
        }
      }
    }
  }

  private mutating func add(_ token: String, _ id: Int) {
    if last.map({ id > $0.id }) ?? true { last = (token, id) }
  }

  private mutating func addVocabulary(_ scanner: inout JSONScanner) throws(CheckpointError) {
    if scanner.peek() == UInt8(ascii: "[") {
      var count = 0
      try Self.elements(&scanner) { (scanner) throws(CheckpointError) in
        try scanner.skipValue()
        count += 1
      }
      if count > 0 { add("the last of its list", count - 1) }
      return
    }
    try Self.members(&scanner) { (token, scanner) throws(CheckpointError) in
      add(token, try scanner.naturalNumber())
    }
  }

  private mutating func addTokens(_ scanner: inout JSONScanner) throws(CheckpointError) {
    try Self.elements(&scanner) { (scanner) throws(CheckpointError) in
      var (id, content) = (Int?.none, "")
      try Self.members(&scanner) { (key, scanner) throws(CheckpointError) in
        switch key {
        case "id": id = try scanner.naturalNumber()
        case "content" where scanner.peek() == UInt8(ascii: "\""): content = try scanner.string()
        default: try scanner.skipValue()
        }
      }
      if let id { add(content, id) }
    }
  }

  /// Goes through an object's members; passes over anything else.
  private static func members(
    _ scanner: inout JSONScanner,
    _ read: (String, inout JSONScanner) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    guard scanner.peek() == UInt8(ascii: "{") else { return try scanner.skipValue() }
    try scanner.expect("{")
    if scanner.take("}") { return }
    repeat {
      let key = try scanner.string()
      try scanner.expect(":")
      try read(key, &scanner)
    } while scanner.take(",")
    try scanner.expect("}")
  }

  /// Goes through a list; passes over anything else.
  private static func elements(
    _ scanner: inout JSONScanner, _ read: (inout JSONScanner) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    guard scanner.peek() == UInt8(ascii: "[") else { return try scanner.skipValue() }
    try scanner.expect("[")
    if scanner.take("]") { return }
    repeat { try read(&scanner) } while scanner.take(",")
    try scanner.expect("]")
  }
}
