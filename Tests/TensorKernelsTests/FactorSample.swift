import CTensorKernels
import TestSupport

/// Second moments of some inputs, and the factor that error feedback works with.
struct FactorSample {
  let columns: Int
  /// The whole matrix, row-major.
  let moments: [Float]
  let tiles: [Double]
  let damping: Double
  let squares: [Float]

  /// Sums over inputs `[rows, columns]`, as tiles.
  static func sums(_ level: wb_level, _ inputs: [Float], columns: Int) -> [Double] {
    var tiles = [Double](repeating: 0, count: wb_moments_count(columns))
    var wide = [Double](repeating: .nan, count: wb_moments_scratch_count(columns))
    let across = (columns + 7) / 8
    let rows = inputs.count / columns
    inputs.withUnsafeBufferPointer { x in
      guard let base = x.baseAddress else { return }
      for first in stride(from: 0, to: rows, by: wb_moments_rows_at_once()) {
        let count = min(wb_moments_rows_at_once(), rows - first)
        wb_moments_widen(base + first * columns, count, columns, 0, across, &wide)
        for column in 0..<across { wb_moments_add(level, wide, count, column, &tiles) }
      }
    }
    return tiles
  }

  /// The mean over inputs.
  static func moments(of inputs: [Float], columns: Int) -> [Float] {
    let sums = sums(WB_PORTABLE, inputs, columns: columns)
    var moments: [Float] = []
    for row in 0..<columns {
      var values = [Float](repeating: 0, count: columns)
      precondition(
        wb_moments_row(sums, columns, row, Double(inputs.count / columns), &values))
      moments += values
    }
    return moments
  }

  /// Inputs that go together: each is a mixture of a few numbers, and some never occur.
  static func inputs(columns: Int, seed: UInt64 = 5) -> [Float] {
    var random = FixedRandom(seed: seed)
    let sources = columns / 3 + 1
    let mixing = (0..<columns * sources).map { _ in Float.random(in: -1...1, using: &random) }
    return (0..<columns * 2).flatMap { _ -> [Float] in
      let values = (0..<sources).map { _ in Float.random(in: -1...1, using: &random) }
      return (0..<columns).map { column in
        guard column % 50 != 7 else { return 0 }
        let sum = (0..<sources).reduce(Float(0)) { $0 + values[$1] * mixing[column * sources + $1] }
        return sum + Float.random(in: -0.1...0.1, using: &random)
      }
    }
  }

  /// Puts the rows of a matrix into tiles; returns what is wrong with the first that can't be.
  static func put(_ moments: [Float], columns: Int, _ tiles: inout [Double]) -> Int {
    for row in 0..<columns {
      let problem = wb_moments_put_row(
        Array(moments[row * columns..<(row + 1) * columns]), columns, row, &tiles)
      if problem != 0 { return Int(problem) }
    }
    return 0
  }

  /// Makes tiles their factor; false where there is none.
  static func factorize(_ level: wb_level, _ tiles: inout [Double], columns: Int) -> Bool {
    let across = (columns + 7) / 8
    var end = across
    while end > 0 {
      guard wb_factor_corner(level, &tiles, across, end) else { return false }
      let start = wb_factor_start(end)
      // In any order.
      for row in (0..<start).reversed() { wb_factor_row(level, &tiles, across, end, row) }
      end = start
    }
    return true
  }

  /// Of second moments.
  init(_ moments: [Float], columns: Int, level: wb_level = WB_PORTABLE) {
    self.columns = columns
    self.moments = moments
    var tiles = [Double](repeating: .nan, count: wb_moments_count(columns))
    precondition(Self.put(moments, columns: columns, &tiles) == 0)
    damping = wb_moments_damp(&tiles, columns, 0.01)
    precondition(Self.factorize(level, &tiles, columns: columns))
    self.tiles = tiles
    var squares = [Float](repeating: 0, count: columns)
    wb_factor_squares(tiles, columns, &squares)
    self.squares = squares
  }

  /// R[row, column].
  func element(_ row: Int, _ column: Int) -> Double {
    guard row <= column else { return 0 }
    let tile = (column / 8) * (column / 8 + 1) / 2 + row / 8
    return tiles[tile * 64 + column % 8 * 8 + row % 8]
  }

  /// e H eᵀ for each row.
  func outputErrors(_ errors: [Double]) -> [Double] {
    stride(from: 0, to: errors.count, by: columns).map { first in
      var sum = 0.0
      for i in 0..<columns where errors[first + i] != 0 {
        var product = 0.0
        for j in 0..<columns {
          product += Double(moments[i * columns + j]) * errors[first + j]
        }
        sum += errors[first + i] * product
      }
      return sum
    }
  }
}
