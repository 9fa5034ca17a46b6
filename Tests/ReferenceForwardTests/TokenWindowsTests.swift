import ReferenceForward
import Testing

/// How texts are cut, against llama-perplexity's counting (tools/perplexity/perplexity.cpp).
struct TokenWindowsTests {
  private let tokens = Array(100..<135)

  @Test func windowsFollowEachOther() {
    let windows = TokenWindows(text: tokens, length: 8, beginning: 1)
    #expect(windows.rows.count == 4 && windows.leftOutCount == 3)
    #expect(windows.rows[1] == [1] + Array(109..<116))
    // Tokens 5, 6 and 7 are predicted: 8 - 1 - 8 / 2.
    #expect(windows.contextCount == 5)
    #expect(TokenWindows(text: tokens, length: 8, beginning: nil).rows[1] == Array(108..<116))
  }

  @Test func withAStrideTheLastTokensOfEachCount() {
    let windows = TokenWindows(text: tokens, length: 8, stride: 5, beginning: nil)
    // ⌈(35 - 8) / 5⌉
    #expect(windows.rows.count == 6)
    #expect(windows.rows.map(\.first) == [100, 105, 110, 115, 120, 125])
    #expect(windows.contextCount == 3 && windows.leftOutCount == 2)
  }

  @Test func shortTextsAreOneWindow() {
    for count in [0, 1, 7, 8, 15] {
      let windows = TokenWindows(text: Array(tokens.prefix(count)), length: 8, beginning: 1)
      #expect(windows.rows == (count == 0 ? [] : [Array(tokens.prefix(min(count, 8)))]))
      #expect(windows.contextCount == 1 && windows.leftOutCount == max(0, count - 8))
    }
    #expect(TokenWindows(text: Array(tokens.prefix(16)), length: 8, beginning: 1).rows.count == 2)
  }

  @Test func aLimitLeavesTheRestOut() {
    let windows = TokenWindows(text: tokens, length: 8, beginning: nil, limit: 2)
    #expect(windows.rows.count == 2 && windows.leftOutCount == 19 && windows.contextCount == 5)
  }

  @Test func rowsAreCutWhereTheyAreLonger() {
    let windows = TokenWindows(rows: [[1, 2, 3], [4, 5, 6, 7, 8]], length: 3)
    #expect(windows.rows == [[1, 2, 3], [4, 5, 6], [7, 8]])
    #expect(windows.contextCount == 1 && windows.tokenCount == 8)
  }

  @Test func batchesHaveAboutTwoThousandTokens() {
    let windows = TokenWindows(
      rows: Array(repeating: Array(repeating: 1, count: 600), count: 7), length: 600)
    #expect(windows.batches == [0..<3, 3..<6, 6..<7])
    let long = TokenWindows(rows: [Array(repeating: 1, count: 5000)], length: 5000)
    #expect(long.batches == [0..<1])
    #expect(TokenWindows(rows: [], length: 5).batches.isEmpty)
  }
}
