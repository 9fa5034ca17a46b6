import CheckpointComparison
import CheckpointFormats
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Ranks of changes: against numpy's singular values, and where the spectrum is known by construction.
@Suite struct ChangeRankTests {
  private static let first = Fixtures.path("comparison/first.safetensors")
  private static let second = Fixtures.path("comparison/second.safetensors")

  /// What numpy says of a tensor.
  private struct Expected: Decodable {
    let rank: Int?
    let maxAbs: Double
    let rms: Double
    let relativeL2: Double

    private enum CodingKeys: String, CodingKey {
      case rank, rms
      case maxAbs = "max_abs"
      case relativeL2 = "relative_l2"
    }
  }

  private func ranked(
    _ first: String, _ second: String, memory: Int = 64_000_000, threads: Int = 2
  ) throws -> CheckpointComparison {
    try CheckpointComparison(
      Source(first), Source(second), EvaluationResources(memory: memory, threads: threads),
      findsRanks: true)
  }

  private func rank(_ first: [Float], _ second: [Float], _ shape: [Int]) throws -> ChangeRank? {
    let workspace = try Workspace()
    let paths = try [first, second].enumerated().map { place, values in
      try workspace.write(
        "\(place).safetensors",
        SafetensorsSample([SampleTensor("a", shape, floats: values)]).fileContents)
    }
    return try ranked(paths[0], paths[1]).tensors.first?.rank
  }

  @Test func figuresAreNumpys() throws {
    let expected = try JSONDecoder().decode(
      [String: Expected].self, from: Data(Fixtures.bytes("comparison/expected.json")))
    func close(_ found: Double, _ wanted: Double) -> Bool {
      abs(found - wanted) <= 1e-6 * abs(wanted)
    }
    for (one, other) in [(Self.first, Self.second), (Self.second, Self.first)] {
      let comparison = try ranked(one, other)
      #expect(comparison.tensors.count == expected.count)
      for tensor in comparison.tensors {
        let wanted = try #require(expected[tensor.name])
        let movement = try #require(tensor.movement)
        if tensor.name.hasSuffix("stack") {
          #expect(tensor.rank == .unknown(reason: "the tensor has 3 dimensions, a matrix 2"))
        } else {
          #expect(tensor.rank?.value == wanted.rank, "\(tensor.name)")
        }
        #expect(close(movement.maxAbsolute, wanted.maxAbs), "\(tensor.name)")
        #expect(close(movement.rms, wanted.rms), "\(tensor.name)")
        if one == Self.first {
          #expect(close(movement.relativeL2, wanted.relativeL2), "\(tensor.name)")
        }
      }
      #expect(comparison.summary.rankReason == nil)
    }
  }

  @Test func aMergedAdapterHasNoMoreThanItsRank() throws {
    let comparison = try ranked(Self.first, Self.second)
    let ranks = Dictionary(
      uniqueKeysWithValues: comparison.tensors.map { ($0.name, $0.rank?.value) })
    #expect(try #require(ranks["layers.0.lora"] ?? nil) <= 8)
    #expect(try #require(ranks["layers.0.rounded"] ?? nil) <= 4)
    let layer = try #require(comparison.summary.layers.first { $0.layer == 0 }?.group.ranks)
    #expect(layer.count == 5 && layer.minimum == 3 && layer.maximum == 23 && layer.median == 6)
    #expect(comparison.summary.all.ranks?.unknownCount == 1)
  }

  @Test(arguments: [(1_100_000, 1), (64_000_000, 1), (64_000_000, 4)])
  func ranksDependOnNeitherThreadsNorMemory(memory: Int, threads: Int) throws {
    let usual = try ranked(Self.first, Self.second).tensors.map(\.rank)
    let other = try ranked(Self.first, Self.second, memory: memory, threads: threads)
    #expect(other.tensors.map(\.rank) == usual)
  }

  @Test func withoutRequestThereAreNone() throws {
    let comparison = try compare(Self.first, Self.second)
    #expect(comparison.tensors.allSatisfy { $0.rank == nil })
    #expect(comparison.summary.rankReason == "not asked for: --rank computes it")
  }

  /// A matrix of cosines: each column of `order` has length 1 and is orthogonal to the others.
  private func cosine(_ row: Int, _ column: Int, _ order: Int) -> Double {
    let factor = (column == 0 ? 1.0 : 2.0) / Double(order)
    return factor.squareRoot() * cos(.pi * (Double(row) + 0.5) * Double(column) / Double(order))
  }

  /// A change of given singular values, of more columns than Lanczos' method takes steps.
  private func change(_ rows: Int, _ columns: Int, _ values: [Double]) -> [Float] {
    let left = values.indices.map { place in (0..<rows).map { cosine($0, place, rows) } }
    let right = values.indices.map { place in (0..<columns).map { cosine($0, place, columns) } }
    var change = [Float](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      let factors = values.indices.map { values[$0] * left[$0][row] }
      for column in 0..<columns {
        var sum = 0.0
        for place in values.indices { sum += factors[place] * right[place][column] }
        change[row * columns + column] = Float(sum)
      }
    }
    return change
  }

  @Test func largeMatricesNeedNotBeTakenApart() throws {
    let (rows, columns) = (700, 660)
    let zeros = [Float](repeating: 0, count: rows * columns)
    // 5 hold 5/5.6 of the squares, 6 hold 5.1/5.6 = 0.911.
    let values = [Double](repeating: 1, count: 5) + [Double](repeating: 0.1.squareRoot(), count: 6)
    #expect(try rank(zeros, change(rows, columns, values), [rows, columns]) == .exactly(6))
  }

  /// Noise has a rank near the number of columns, which the elements of Δᵀ Δ show without a search.
  @Test func ranksOverTheLimitAreOnlyBounded() throws {
    let (rows, columns) = (700, 680)
    var random = SampleRandom(seed: 3)
    let noise = (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &random) }
    let found = try rank([Float](repeating: 0, count: noise.count), noise, [rows, columns])
    guard case .atLeast(let least) = found else {
      Issue.record("\(String(describing: found))")
      return
    }
    #expect(least > ChangeRank.limit && least < columns)
    let document =
      try JSONSerialization.jsonObject(with: JSONEncoder().encode(found)) as? NSDictionary
    #expect(document?["value"] is NSNull && document?["atLeast"] as? Int == least)
    #expect(document?["reason"] as? String == "ranks over 256 aren't looked for")
  }

  @Test func whatHasNoRankHasAReason() throws {
    #expect(
      try rank([1, 2, 3, .infinity], [1, 2, 3, 4], [2, 2])
        == .unknown(reason: "a value is infinite, or isn't a number"))
    #expect(try rank([0, 1], [-0.0, 1], [1, 2]) == .exactly(0))
    #expect(try rank([.nan, .infinity, 1, 1], [.nan, .infinity, 1, 2], [2, 2]) == .exactly(1))
    #expect(try rank([1, 2], [1, 2], [1, 2]) == nil)
    let side = 600
    let (first, second) = (
      [Float](repeating: 0, count: side * side), [Float](repeating: 1, count: side * side)
    )
    let workspace = try Workspace()
    let paths = try [first, second].enumerated().map { place, values in
      try workspace.write(
        "\(place).safetensors",
        SafetensorsSample([SampleTensor("a", [side, side], floats: values)]).fileContents)
    }
    let reason = "rows and columns are 600 or more, which needs --memory 1GB"
    #expect(
      try ranked(paths[0], paths[1], memory: 2_000_000).tensors.first?.rank
        == .unknown(reason: reason))
    #expect(try ranked(paths[0], paths[1]).tensors.first?.rank == .exactly(1))
  }

  /// Blocks stand for values, and lie the other way round where there are more columns than rows.
  @Test func blocksHaveRanksToo() throws {
    let workspace = try Workspace()
    func file(_ name: String, _ scale: UInt8) throws -> String {
      var file = GGUFBuilder()
      var blocks: [UInt8] = []
      for row in 0..<4 {
        blocks += [0, row == 2 ? scale : 0x3c] + (0..<32).map { UInt8(($0 * 7 + row * 5) % 90) }
      }
      file.add(tensor: "t", type: 8, extents: [32, 4], blocks)
      return try workspace.write(name, Data(file.contents))
    }
    let tensor = try ranked(file("one.gguf", 0x3c), file("other.gguf", 0x40)).tensors.first
    #expect(tensor?.rank == .exactly(1))
  }
}
