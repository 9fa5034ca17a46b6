import Importance
import Quantization
import TensorModel
import Testing

/// Experts that few tokens came to.
struct ExpertPriorTests {
  @Test func fillsUpWithTheLayersMean() {
    var sums = ImportanceSums()
    sums.entries["a"] = .init(sums: [60, 6, 1, 0, 0, 0], counts: [60, 2, 0])
    sums.entries["b"] = .init(sums: [1, 2], counts: [1])
    let prior = ExpertPrior(sums)
    let (first, second) = (61.0 / 62, 6.0 / 62)
    #expect(
      prior.sums.entries["a"]
        == .init(
          sums: [60, 6, 1 + 30 * first, 30 * second, 32 * first, 32 * second],
          counts: [60, 32, 32]))
    #expect(prior.sums.entries["b"] == sums.entries["b"])
    #expect(prior.met == ["a": .init(sums: [60, 6, 1, 0, 0, 0], counts: [60, 2, 0])])
    #expect((prior.expertCount, prior.unmetCount) == (2, 1))
  }

  @Test func leavesThoseAloneThatManyCameTo() {
    var sums = ImportanceSums()
    sums.entries["a"] = .init(sums: [3, 4], counts: [32, 33])
    let prior = ExpertPrior(sums)
    #expect(prior.sums.entries == sums.entries)
    #expect(prior.met.isEmpty)
  }
}
