import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

@Suite struct SharderTests {
  private func shards(
    _ sizes: [Int], _ sharding: ConversionPlan.Sharding
  ) throws -> [[Int]] {
    try Sharder(sizes).shards(sharding)
  }

  @Test func fillsFilesGreedilyInTheSourcesOrder() throws {
    #expect(try shards([4, 4, 4], .maximumByteCount(8)) == [[0, 1], [2]])
    #expect(try shards([1, 7, 1, 7], .maximumByteCount(8)) == [[0, 1], [2, 3]])
    #expect(try shards([5, 4, 3], .maximumByteCount(8)) == [[0], [1, 2]])
  }

  @Test func givesATensorOverTheLimitAFileToItself() throws {
    #expect(try shards([3, 100, 3, 3], .maximumByteCount(8)) == [[0], [1], [2, 3]])
    #expect(try shards([100, 100], .maximumByteCount(1)) == [[0], [1]])
    #expect(try shards([100], .maximumByteCount(1)) == [[0]])
  }

  @Test func keepsTensorsWithoutBytesInTheCurrentFile() throws {
    #expect(try shards([8, 0, 0, 8], .maximumByteCount(8)) == [[0, 1, 2], [3]])
    #expect(try shards([0, 0], .maximumByteCount(8)) == [[0, 1]])
  }

  @Test func putsEverythingInOneFileWithoutALimit() throws {
    #expect(try shards([5, 5, 5], .none) == [[0, 1, 2]])
  }

  @Test func makesExactlyAsManyFilesAsAsked() throws {
    var random = SampleRandom(seed: 4)
    for _ in 0..<40 {
      let sizes = (0..<Int.random(in: 1...12, using: &random)).map { _ in
        Int.random(in: 0...50, using: &random)
      }
      for count in 1...sizes.count {
        let shards = try shards(sizes, .count(count))
        #expect(shards.count == count, "\(sizes)")
        #expect(shards.flatMap { $0 } == Array(sizes.indices), "\(sizes) in \(count)")
        #expect(shards.allSatisfy { !$0.isEmpty }, "\(sizes) in \(count)")
      }
    }
  }

  @Test func spreadsBytesEvenlyOverACount() throws {
    #expect(try shards([4, 4, 4, 4], .count(2)) == [[0, 1], [2, 3]])
    #expect(try shards([10, 1, 1, 1], .count(2)) == [[0], [1, 2, 3]])
  }

  @Test(arguments: [0, -1, 4])
  func refusesCountsThatCantBe(count: Int) {
    let error = #expect(throws: CheckpointError.self) { try shards([1, 1, 1], .count(count)) }
    #expect(error?.code == .usage)
    #expect(error?.expected == "1 to 3")
  }
}
