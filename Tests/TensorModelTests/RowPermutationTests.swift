import TensorModel
import Testing

@Suite struct RowPermutationTests {
  /// Every order, small enough to be tried row by row.
  static let all: [RowPermutation] = {
    var permutations: [RowPermutation] = []
    for (groups, rows) in [(1, 1), (1, 6), (2, 8), (3, 12), (4, 6)] {
      for rotated in stride(from: 0, through: rows, by: 2) {
        for order: RowPermutation.Order in [
          .halves(rotated: rotated), .interleaved(rotated: rotated),
        ] {
          permutations.append(RowPermutation(order, groupCount: groups, groupRowCount: rows))
        }
      }
      for count in [1, 2, 3] where rows % count == 0 {
        for order: RowPermutation.Order in [.parts(count: count), .groups(parts: count)] {
          permutations.append(RowPermutation(order, groupCount: groups, groupRowCount: rows))
        }
      }
      for widths in [[1], [1, 2], [4, 1, 1]] where rows % widths.reduce(0, +) == 0 {
        for order: RowPermutation.Order in [.runs(widths: widths), .groupsOfRuns(widths: widths)] {
          permutations.append(RowPermutation(order, groupCount: groups, groupRowCount: rows))
        }
      }
    }
    return permutations
  }()

  @Test(arguments: all) func takesEveryRowOnceAndIsUndone(_ permutation: RowPermutation) {
    #expect(permutation.isValid && permutation.inverse.isValid)
    #expect(permutation.inverse.inverse == permutation)
    let sources = (0..<permutation.rowCount).map { permutation.source(of: $0) }
    #expect(sources.sorted() == Array(0..<permutation.rowCount))
    for (row, source) in sources.enumerated() {
      #expect(permutation.inverse.source(of: source) == row)
    }
  }

  private func sources(_ order: RowPermutation.Order, _ groups: Int, _ rows: Int) -> [Int] {
    let permutation = RowPermutation(order, groupCount: groups, groupRowCount: rows)
    return (0..<permutation.rowCount).map { permutation.source(of: $0) }
  }

  @Test func ordersAreWhatTheyAreCalled() {
    #expect(sources(.halves(rotated: 4), 2, 6) == [0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11])
    #expect(sources(.interleaved(rotated: 6), 1, 8) == [0, 3, 1, 4, 2, 5, 6, 7])
    // Two heads of one query, one key and one value each.
    #expect(sources(.parts(count: 3), 2, 3) == [0, 3, 1, 4, 2, 5])
    #expect(sources(.groups(parts: 3), 2, 3) == [0, 2, 4, 1, 3, 5])
    // Two heads of keys, each with two queries, one key and one value.
    #expect(sources(.runs(widths: [2, 1, 1]), 2, 4) == [0, 1, 4, 5, 2, 6, 3, 7])
  }

  @Test(arguments: [
    RowPermutation(.halves(rotated: 3), groupCount: 1, groupRowCount: 4),
    RowPermutation(.halves(rotated: 6), groupCount: 1, groupRowCount: 4),
    RowPermutation(.interleaved(rotated: -2), groupCount: 1, groupRowCount: 4),
    RowPermutation(.parts(count: 3), groupCount: 1, groupRowCount: 4),
    RowPermutation(.parts(count: 0), groupCount: 1, groupRowCount: 4),
    RowPermutation(.groups(parts: -1), groupCount: 1, groupRowCount: 4),
    RowPermutation(.runs(widths: []), groupCount: 1, groupRowCount: 4),
    RowPermutation(.runs(widths: [2, 0]), groupCount: 1, groupRowCount: 4),
    RowPermutation(.groupsOfRuns(widths: [3]), groupCount: 1, groupRowCount: 4),
    RowPermutation(.runs(widths: [.max, 1]), groupCount: 1, groupRowCount: 4),
    RowPermutation(.halves(rotated: 0), groupCount: 0, groupRowCount: 4),
    RowPermutation(.halves(rotated: 0), groupCount: 1, groupRowCount: 0),
    RowPermutation(.halves(rotated: 0), groupCount: .max, groupRowCount: 2),
  ])
  func otherNumbersAreNone(_ permutation: RowPermutation) {
    #expect(!permutation.isValid)
    let error = #expect(throws: CheckpointError.self) {
      try TensorExpression.permuteRows(.stored("a"), permutation).type { _ in
        TensorType(.f32, [4, 2])
      }
    }
    #expect(error?.code == .malformed)
  }

  @Test func fitsTensorsOfItsRowsOnly() throws {
    let permutation = RowPermutation(.parts(count: 2), groupCount: 2, groupRowCount: 2)
    let expression = TensorExpression.permuteRows(.stored("a"), permutation)
    for type in [
      TensorType(.f32, [4]), TensorType(.bf16, [4, 3]), TensorType(.q8_0, [4, 32]),
      TensorType(.u8, [4, 0]),
    ] {
      #expect(try expression.type { _ in type } == type)
    }
    for type in [
      TensorType(.f32, []), TensorType(.f32, [8]), TensorType(.f32, [2, 4]),
      TensorType(.f4, [4, 2]),
    ] {
      #expect(throws: CheckpointError.self) { try expression.type { _ in type } }
    }
    #expect("\(expression)".contains(permutation.description))
  }
}
