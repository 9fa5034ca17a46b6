import FileContainers
import TensorModel
import Testing

@Suite struct StrictJSONTests {
  private func parse(_ text: String) throws(CheckpointError) -> JSONValue {
    try JSONValue(parsing: Array(text.utf8))
  }

  /// The text must be refused, at that byte.
  private func refuses(
    _ text: String, at offset: Int? = nil, _ location: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: CheckpointError.self, sourceLocation: location) { try parse(text) }
    #expect(error?.code == .malformed, sourceLocation: location)
    if let offset { #expect(error?.byteOffset == offset, sourceLocation: location) }
  }

  @Test func keepsOrderNumbersAndPlaces() throws {
    let text = #" {"b": [1, -2.50e+3, "x"], "a" : {"t": true, "f":false, "n": null}} "#
    let value = try parse(text)
    #expect(value.members?.map(\.key) == ["b", "a"])
    #expect(value["b"]?.elements == [.number("1"), .number("-2.50e+3"), .string("x")])
    #expect(value["a"]?["t"]?.boolean == true && value["a"]?["n"] == .null)
    let range = try #require(value.members?[0].range)
    #expect(
      String(decoding: Array(text.utf8)[range], as: UTF8.self) == #"[1, -2.50e+3, "x"]"#)
    #expect(value["b"]?.elements?[1].double == -2500 && value["b"]?.elements?[1].integer == nil)
    #expect(value["c"] == nil && JSONValue.null["c"] == nil)
  }

  @Test(arguments: [
    "0", "-0", "10", "1.5", "1e5", "1E-5", "0.0e+0", "123456789012345678901234567890",
  ])
  func takesNumbers(_ text: String) throws { #expect(try parse(text) == .number(text)) }

  @Test(arguments: [
    "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x10", "NaN", "Infinity", "-Infinity", "1_000",
    "--1", "1.e5", "00", "-01",
  ])
  func refusesWhatOnlyLooksLikeANumber(_ text: String) {
    refuses(text)
    refuses("[\(text)]")
  }

  @Test(arguments: [
    "", " ", "{", "[", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "[1", "[1,", "\"abc", "\"\\",
    "\"\\u12", "tru", "nul", "{,}", "[,]", "[1,]", "{\"a\":1,}", "{a:1}", "{'a':1}", "{1:2}",
    "[1 2]", "{\"a\" 1}", "]", "}", "[1}", "{\"a\":1]", "// x\n1", "/**/1", "undefined", "True",
  ])
  func refusesBrokenSyntax(_ text: String) { refuses(text) }

  @Test func shortensTextsForMessages() throws {
    #expect(try parse("[1, {\"a\": []}]").shortText == "[1, {\"a\": []}]")
    let long = "[" + String(repeating: "\"x\", ", count: 2000) + "1]"
    #expect(try parse(long).shortText.hasSuffix("..."))
    #expect(try parse(long).shortText.count == 60)
    // One character of 6000 bytes.
    let accents = "\"e" + String(repeating: "\u{301}", count: 3000) + "\""
    #expect(try parse(accents).shortText.count <= 60)
  }

  @Test(arguments: ["1 2", "{} {}", "null,", "[]]", "{}x", "1\0", "{}\u{c}"])
  func refusesTextAfterTheDocument(_ text: String) { refuses(text) }

  @Test func tellsWhereItStopped() {
    refuses("[1, x]", at: 4)
    refuses("{\"a\": tru}", at: 6)
    refuses("{} x", at: 3)
    refuses("[\"a\nb\"]", at: 3)
    refuses("[1", at: 2)
    var scanner = JSONScanner(Array("  x".utf8), base: 100)
    let error = #expect(throws: CheckpointError.self) { try scanner.expect("{") }
    #expect(error?.byteOffset == 102 && error?.found == "'x'" && error?.expected == "'{'")
  }

  @Test func refusesDuplicateKeysAtTheSecondOne() {
    refuses(#"{"a": 1, "a": 1}"#, at: 9)
    refuses(#"{"a": 1, "\u0061": 2}"#, at: 9)
    refuses(#"{"x": {"k": 1, "k": 2}}"#, at: 15)
  }

  @Test func takesKeysForDifferentThatUnicodeTakesForEqual() throws {
    let value = try parse("{\"caf\u{e9}\": 1, \"cafe\u{301}\": 2}")
    #expect(value.members?.count == 2)
  }

  @Test func nestsSixtyFourLevelsAndNoMore() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try parse(nested(JSONValue.maximumDepth))
    refuses(nested(JSONValue.maximumDepth + 1), at: JSONValue.maximumDepth)
    refuses(String(repeating: "[", count: 200_000))
    refuses(String(repeating: "{\"a\":", count: 200_000))
  }

  @Test(arguments: [
    (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""\u0041\u00e9\u6f22""#, "Aé漢"),
    (#""\ud83d\ude42""#, "🙂"), (#""\uD834\uDD1E""#, "𝄞"), (#""\u0000""#, "\0"), ("\"é漢🙂\"", "é漢🙂"),
    ("\"\u{7f}\"", "\u{7f}"), ("\"\"", ""), (#""\uFFFF""#, "\u{ffff}"),
  ])
  func resolvesEscapes(_ text: String, _ value: String) throws {
    let parsed = try #require(try parse(text).text)
    #expect(Array(parsed.unicodeScalars) == Array(value.unicodeScalars))
  }

  @Test(arguments: [
    #""\x41""#, #""\a""#, #""\u12g4""#, #""\u 123""#, #""\U0041""#, #""\ud83d""#, #""\ude42""#,
    #""\ud83d\u0041""#, #""\ud83dx""#, #""\ud83d\ud83d""#, #""\ude42\ud83d""#, "\"\t\"",
    "\"\u{1f}\"", "\"\0\"", #""\u００４１""#,
  ])
  func refusesBadStrings(_ text: String) { refuses(text) }

  @Test(
    arguments: [
      [0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80],
      [0xe2, 0x82],
    ] as [[UInt8]])
  func refusesInvalidUTF8(_ bytes: [UInt8]) {
    let error = #expect(throws: CheckpointError.self) {
      try JSONValue(parsing: [0x5b, 0x22] + bytes + [0x22, 0x5d])
    }
    #expect(error?.code == .malformed && error?.byteOffset != nil)
    #expect(throws: CheckpointError.self) {
      try JSONValue(parsing: [0x22, 0x5c, 0x6e] + bytes + [0x22])
    }
  }

  @Test func refusesAByteOrderMark() { refuses("\u{feff}{}", at: 0) }

  @Test(arguments: [
    ("0", 0), ("7", 7), ("9223372036854775807", Int.max), (" 12", 12),
  ])
  func takesNaturalNumbersExactly(_ text: String, _ value: Int) throws {
    var scanner = JSONScanner(Array(text.utf8))
    #expect(try scanner.naturalNumber() == value)
  }

  @Test(arguments: [
    "9223372036854775808", "18446744073709551616", "99999999999999999999999", "-1", "01", "1.0",
    "1e3", "1E3", "true", "\"1\"", "", "+1",
  ])
  func refusesOtherNumbersWhereNaturalOnesAreNeeded(_ text: String) {
    var scanner = JSONScanner(Array(text.utf8))
    #expect(throws: CheckpointError.self) { try scanner.naturalNumber() }
  }

  @Test func writesWhatItReads() throws {
    let value = JSONValue.object([
      .init("a\"\\\n\u{1}\u{7f}", .array([.integer(1), .null, .bool(true)])),
      .init("é", .object([])), .init("", .array([])), .init("n", .number("1e-05")),
    ])
    let text = value.documentText
    #expect(text.hasSuffix("}"))
    let read = try parse(text)
    #expect(read.members?.map(\.key) == value.members?.map(\.key))
    #expect(read.documentText == text)
  }

  @Test(arguments: ["0", "-1", "1.0", "2147483648", "true", "\"5\"", "null", "1e2"])
  func needsPositiveIntegersInConfigurations(_ text: String) throws {
    let document = try parse("{\"n\": \(text), \"ok\": 2147483647}")
    let error = #expect(throws: CheckpointError.self) { try document.positiveInteger("n") }
    #expect(error?.code == .usage && error?.message.contains("'n'") == true)
    #expect(try document.positiveInteger("ok") == 2_147_483_647)
    let missing = #expect(throws: CheckpointError.self) {
      try document.positiveInteger("x", hint: "h")
    }
    #expect(missing?.found == "no such key" && missing?.hint == "h")
  }
}
