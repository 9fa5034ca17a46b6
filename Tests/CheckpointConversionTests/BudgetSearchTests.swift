import TestSupport
import Testing

@testable import CheckpointConversion

/// Choices under a limit, compared with all that there are.
@Suite struct BudgetSearchTests {
  private typealias Option = BudgetSearch.Option

  /// Items whose errors fall with size, not always along a convex curve.
  private static func items(_ count: Int, seed: UInt64) -> [[Option]] {
    var random = FixedRandom(seed: seed)
    return (0..<count).map { _ in
      let weight = Double.random(in: 0.1...10, using: &random)
      return (0..<5).map { step in
        Option(
          byteCount: 100 + step * 40 + Int.random(in: 0...30, using: &random),
          error: weight * Double.random(in: 0.5...2, using: &random) / Double(1 << (2 * step)))
      }
    }
  }

  /// The least error by trying everything.
  private static func least(_ items: [[Option]], limit: Int) -> Double? {
    var best: [Int: Double] = [0: 0]
    for options in items {
      var next: [Int: Double] = [:]
      for (bytes, error) in best {
        for option in options where bytes + option.byteCount <= limit {
          let total = bytes + option.byteCount
          next[total] = min(next[total] ?? .infinity, error + option.error)
        }
      }
      best = next
    }
    return best.values.min()
  }

  @Test(arguments: 1...12) func isNearlyTheBest(_ seed: Int) throws {
    let items = Self.items(8, seed: UInt64(seed))
    for limit in stride(from: 700, through: 2400, by: 170) {
      guard let least = Self.least(items, limit: limit) else {
        #expect(BudgetSearch(items, limit: limit) == nil)
        continue
      }
      let found = try #require(BudgetSearch(items, limit: limit))
      #expect(found.byteCount <= limit)
      #expect(found.error <= 1.2 * least, "\(limit): \(found.error), the best is \(least)")
      #expect(found.choice == BudgetSearch(items, limit: limit)?.choice)
    }
  }

  @Test func startsFromWhatIsThere() throws {
    let items = Self.items(8, seed: 40)
    let search = try #require(BudgetSearch(items, limit: 1500))
    let again = BudgetSearch(items, limit: 1500, from: search.choice)
    #expect(again.choice == search.choice)
    let least = BudgetSearch(items, limit: 1500, from: [Int](repeating: 0, count: 8))
    #expect(least.byteCount <= 1500)
    #expect(least.error < items.reduce(0) { $0 + $1[0].error })
  }

  @Test func takesEqualItemsInTheirOrder() throws {
    let item = [Option(byteCount: 10, error: 4), Option(byteCount: 20, error: 1)]
    let search = try #require(BudgetSearch([item, item, item], limit: 45))
    #expect(search.choice == [1, 0, 0])
    #expect(BudgetSearch([item, item, item], limit: 29) == nil)
    #expect(BudgetSearch([], limit: 0)?.byteCount == 0)
  }
}
