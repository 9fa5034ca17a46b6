import CTensorKernels
import TestSupport
import Testing

/// Second moments and their factors: what they are, the same bits at every level, and matrices that can't be.
@Suite struct MomentTests {
  private static let levels = [WB_PORTABLE] + fastLevels

  @Test(arguments: [1, 7, 8, 40, 77]) func sumsAreThoseOfExactProducts(_ columns: Int) {
    var random = FixedRandom(seed: 2)
    // More rows than are summed up at once.
    let rows = 2 * wb_moments_rows_at_once() + 5
    let inputs = (0..<rows * columns).map { _ in Float.random(in: -9...9, using: &random) }
    let results = Self.levels.map { FactorSample.sums($0, inputs, columns: columns) }
    for result in results { #expect(result == results[0]) }
    for row in 0..<columns {
      var values = [Float](repeating: 0, count: columns)
      #expect(wb_moments_row(results[0], columns, row, 3, &values))
      for column in 0..<columns {
        let sum = (0..<rows).reduce(0.0) {
          $0 + Double(inputs[$1 * columns + row]) * Double(inputs[$1 * columns + column])
        }
        #expect(values[column] == Float(sum / 3))
      }
    }
  }

  @Test(arguments: [1, 8, 65, 150]) func theFactorGivesTheDampedMatrix(_ columns: Int) {
    let inputs = FactorSample.inputs(columns: columns)
    let moments = FactorSample.moments(of: inputs, columns: columns)
    let samples = Self.levels.map { FactorSample(moments, columns: columns, level: $0) }
    let sample = samples[0]
    for other in samples { #expect(other.tiles == sample.tiles) }
    let mean = (0..<columns).reduce(0) { $0 + Double(moments[$1 * columns + $1]) } / Double(columns)
    #expect(abs(sample.damping - mean / 100) <= 1e-12 * mean)
    for row in 0..<columns {
      #expect(abs(Double(sample.squares[row]).squareRoot() - sample.element(row, row)) < 1e-6)
      for column in row..<columns {
        let product = (column..<columns).reduce(0) {
          $0 + sample.element(row, $1) * sample.element(column, $1)
        }
        let wanted =
          Double(moments[row * columns + column]) + (row == column ? sample.damping : 0)
        #expect(abs(product - wanted) <= 1e-12 * (mean + abs(wanted)))
      }
    }
  }

  @Test func whatCanNotBeIsSaid() {
    let columns = 12
    let good = FactorSample.moments(of: FactorSample.inputs(columns: columns), columns: columns)
    var tiles = [Double](repeating: 0, count: wb_moments_count(columns))
    #expect(FactorSample.put(good, columns: columns, &tiles) == WB_MOMENTS_FINE)
    let edits: [(Int, Float, Int)] = [
      (3 * columns + 5, .nan, WB_MOMENTS_NOT_FINITE), (5, .infinity, WB_MOMENTS_NOT_FINITE),
      (2 * columns + 2, -1, WB_MOMENTS_NEGATIVE),
      (9 * columns + 1, good[columns + 9] + 1, WB_MOMENTS_ASYMMETRIC),
    ]
    for (place, value, problem) in edits {
      var bad = good
      bad[place] = value
      #expect(FactorSample.put(bad, columns: columns, &tiles) == problem, "\(place)")
    }
    // Two inputs that go together more than each with itself.
    var indefinite = good
    for (row, column) in [(0, 1), (1, 0)] { indefinite[row * columns + column] = 1e3 }
    #expect(FactorSample.put(indefinite, columns: columns, &tiles) == WB_MOMENTS_FINE)
    _ = wb_moments_damp(&tiles, columns, 0.01)
    #expect(!FactorSample.factorize(WB_PORTABLE, &tiles, columns: columns))
    // Nothing at all.
    #expect(
      FactorSample.put([Float](repeating: 0, count: 144), columns: columns, &tiles)
        == WB_MOMENTS_FINE)
    #expect(wb_moments_damp(&tiles, columns, 0.01) == 0)
    #expect(!FactorSample.factorize(WB_PORTABLE, &tiles, columns: columns))
  }
}
