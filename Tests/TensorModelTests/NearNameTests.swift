import TensorModel
import Testing

/// What a person may have meant.
@Suite struct NearNameTests {
  static let names = ["safetensors", "store", "hf", "npz", "q4_k_m", "q4_k_s", "bf16", "f16"]

  @Test(arguments: [
    ("safetensor", ["safetensors"]), ("Safe-Tensors", ["safetensors"]),
    ("tensors", ["safetensors"]),
    ("stroe", ["store"]), ("fh", ["hf"]), ("q4km", ["q4_k_m"]), ("q4kn", ["q4_k_m", "q4_k_s"]),
    ("F16", ["f16"]),
    ("f61", ["f16"]), ("", []), ("-", []), ("x", []), ("papyrus", []), ("日本", []),
    (String(repeating: "f16", count: 9999), []),
  ])
  func namesWhatIsNear(written: String, expected: [String]) {
    #expect(nearNames(written, among: Self.names) == expected)
  }

  @Test func namesNoMoreThanAsked() {
    let names = (0..<9).map { "name\($0)" }
    #expect(nearNames("name", among: names) == ["name0", "name1", "name2"])
    #expect(nearNames("name", among: names, count: 1) == ["name0"])
    #expect(nearNames("name", among: []).isEmpty)
  }

  @Test func listsAlternatives() {
    #expect(alternatives([]).isEmpty)
    #expect(alternatives(["a"]) == "'a'")
    #expect(alternatives(["a", "b"]) == "'a' or 'b'")
    #expect(alternatives(["a", "\u{1b}", "c"]) == "'a', '\\u{1b}' or 'c'")
  }
}
