import TensorModel
import Testing

@Suite struct NameTests {
  private static let composed = "caf\u{e9}"
  private static let decomposed = "cafe\u{301}"

  @Test func tellsCanonicallyEquivalentNamesApart() {
    #expect(Self.composed == Self.decomposed)
    let (left, right) = (ExactName(Self.composed), ExactName(Self.decomposed))
    #expect(left != right)
    #expect(Set([left, right]).count == 2)
    #expect(right < left)
    #expect(ExactName(Self.composed) == left)
    #expect(ExactName(Self.composed).hashValue == left.hashValue)
  }

  @Test func ordersByBytes() {
    let names = ["b", "a", "B", "a.b", "a.", "ä", "", "a/b", "a10", "a2"]
    #expect(
      names.map { ExactName($0) }.sorted().map(\.text)
        == ["", "B", "a", "a.", "a.b", "a/b", "a10", "a2", "b", "ä"])
  }

  @Test func findsTensorsByTheirExactName() throws {
    let checkpoint = try Checkpoint(
      format: "f", layout: "l",
      tensors: [Self.composed, Self.decomposed].map {
        try TensorInfo(name: $0, dtype: .u8, shape: [$0.utf8.count], file: "x")
      }, files: [])
    #expect(checkpoint.position(of: Self.composed) == 0)
    #expect(checkpoint.position(of: Self.decomposed) == 1)
    #expect(checkpoint.type(of: Self.decomposed) == TensorType(.u8, [6]))
    #expect(checkpoint.position(of: "cafe") == nil)
    #expect(checkpoint.byteCount == 11)
  }

  @Test func refusesTheSameNameTwice() {
    let error = #expect(throws: CheckpointError.self) {
      try Checkpoint(
        format: "f", layout: "l",
        tensors: ["x", "y"].map { try TensorInfo(name: "a", dtype: .u8, shape: [1], file: $0) },
        files: [])
    }
    #expect(error?.code == .malformed && error?.tensor == "a" && error?.file == "y")
  }

  @Test(arguments: [
    ("plain ü 漢 🙂", "plain ü 漢 🙂"), ("a\nb", "a\\u{a}b"), ("\u{1b}[31m", "\\u{1b}[31m"),
    ("\0", "\\u{0}"), ("a\u{202e}b", "a\\u{202e}b"), ("\u{200b}", "\\u{200b}"),
    ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"), ("\u{7f}\u{9b}", "\\u{7f}\\u{9b}"), ("", ""),
    ("\r\n", "\\u{d}\\u{a}"), ("\u{feff}", "\\u{feff}"),
  ])
  func printsNothingThatSteersATerminal(_ text: String, _ printed: String) {
    #expect(printable(text) == printed)
  }

  @Test func keepsLinesOfOurOwnTexts() {
    #expect(printable("a\nb\r", keepingLines: true) == "a\nb\\u{d}")
  }
}
