import Foundation
import Testing

@testable import CheckpointComparison

/// p values against exact fractions: 2 Σ C(n, k) / 2ⁿ.
@Test(
  arguments: [
    (0, 0, 1), (0, 1, 1), (3, 3, 1), (0, 5, 0.0625), (1, 7, 0.0703125), (8, 2, 0.109375),
    (15, 4, 0.019210815429687), (0, 2000, 0),
  ] as [(Int, Int, Double)])
func mcNemarIsExact(_ first: Int, _ second: Int, _ expected: Double) {
  let found = ExactMcNemar.probability(onlyFirst: first, onlySecond: second)
  #expect(abs(found - expected) < 1e-12)
  #expect(found == ExactMcNemar.probability(onlyFirst: second, onlySecond: first))
}
