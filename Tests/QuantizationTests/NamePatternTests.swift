import Quantization
import Testing

/// Patterns of names: most are texts, which are found as the regular expression finds them.
@Suite struct NamePatternTests {
  private static let names = [
    "blk.0.ffn_down.weight", "BLK.0.FFN_DOWN.WEIGHT", "ffn_down", "blkx0", "", "a.b", "a\nb",
    "Größe.weight", "x/y#z",
  ]

  @Test(arguments: [
    "ffn_down", "^blk.0", "^blk\\.0\\.ffn_down\\.weight$", "weight$", "^a\\.b$", "^ffn_DOWN$",
    "blk\\.0", "^", "$", "x\\/y\\#z",
    "größe", "a|b", "b$",
  ])
  func findsWhatTheExpressionFinds(text: String) throws {
    let pattern = try #require(NamePattern(text))
    let expression = try Regex(text).ignoresCase()
    for name in Self.names {
      #expect(
        try pattern.matches(name) == (name.firstMatch(of: expression) != nil), "\(text) in \(name)")
    }
  }
}
