import FileContainers
import TensorModel
import Testing

/// Configurations of training programs: what is read of YAML, and what is refused with its line.
@Suite struct YAMLTests {
  private func parse(_ text: String) throws(CheckpointError) -> JSONValue {
    try YAMLFile.parse(Array(text.utf8), "x.yml")
  }

  @Test(
    arguments: [
      ("{ \"a-b\": 1, # one\n \"c\": [True, 0.97e-4,],\n}", "{\"a-b\":1,\"c\":[true,0.97e-4]}"),
      ("---\na: 1e-5\nb:\n  - x: ~\n  - 'y'\n", "{\"a\":1e-5,\"b\":[{\"x\":null},\"y\"]}"),
      (
        "a: no\nb: \"no\"\nc: +3\nd: .5\ne: 1.\n",
        "{\"a\":false,\"b\":\"no\",\"c\":3,\"d\":0.5,\"e\":1.0}"
      ),
      (
        "a: 010\nb: 0x10\nc: 1_000\nd: 1:30\n",
        "{\"a\":\"010\",\"b\":\"0x10\",\"c\":\"1_000\",\"d\":\"1:30\"}"
      ),
      ("a: data/*.txt\nb: AT&T # don't!\n", "{\"a\":\"data/*.txt\",\"b\":\"AT&T\"}"), ("", "null"),
      ("{\"a\": {\"b\": [1, -2.5e+3, \"\\u00e9\"]}}", "{\"a\":{\"b\":[1,-2.5e+3,\"é\"]}}"),
    ])
  func readsWhatPeopleWrite(_ text: String, _ expected: String) throws {
    #expect(try parse(text) == JSONValue(parsing: Array(expected.utf8)).placeless)
  }

  @Test(
    arguments: [
      ("a: 1\nb: &x 2\n", "line 2: an anchor"), ("a: !!python/object 1\n", "line 1: a tag"),
      ("a: 1\n\nb: *a\n", "line 3: an alias"), ("a: 1\n---\nb: 2\n", "line 2: a second document"),
      ("%TAG ! x:\n---\na: 1\n", "a directive"),
      ("a: 1\na: 2\n", "line 2: the key 'a' stands twice"),
      ("? [a]\n: 1\n", "line 1: a key that is no scalar"), ("<<: {a: 1}\n", "merges"),
      ("a: [1\nb: 2\n", "line"), ("a: \"x\n", "line"), ("a: \u{0}\n", "line"),
    ])
  func refusesTheRestByItsLine(_ text: String, _ message: String) {
    let error = #expect(throws: CheckpointError.self) { try parse(text) }
    #expect(error?.message.contains(message) == true, "\(error?.description ?? "")")
    #expect(error?.file == "x.yml")
  }

  @Test func boundsSizeAndDepth() throws {
    let deepest = String(repeating: "[", count: YAMLFile.maximumDepth)
    #expect(
      try parse(deepest + String(repeating: "]", count: YAMLFile.maximumDepth)).elements != nil)
    for text in [
      deepest + "[", String(repeating: "[", count: 100_000), String(repeating: "- ", count: 50_000),
      String(repeating: "? ", count: 50_000), String(repeating: "{a: ", count: 100_000),
      "a: " + String(repeating: "x", count: YAMLFile.maximumByteCount),
    ] {
      let error = #expect(throws: CheckpointError.self) { try parse(text) }
      #expect(error?.code == .unsupported || error?.code == .malformed)
    }
    #expect(throws: CheckpointError.self) { try YAMLFile.parse([0x61, 0x3a, 0x20, 0xff], "x.yml") }
  }
}

extension JSONValue {
  /// Without the places of members in their text.
  fileprivate var placeless: JSONValue {
    switch self {
    case .object(let members): .object(members.map { .init($0.key, $0.value.placeless) })
    case .array(let elements): .array(elements.map(\.placeless))
    default: self
    }
  }
}
