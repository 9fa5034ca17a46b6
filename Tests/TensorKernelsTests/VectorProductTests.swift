import CTensorKernels
import TestSupport
import Testing

/// Products of a matrix and a vector: the variants with one another, and the portable one with sums in f64.
@Suite struct VectorProductTests {
  /// A matrix whose rows are `padding` elements longer than they need be, and a vector for either product.
  private struct Operands {
    var type: wb_float_type
    var rows: Int
    var columns: Int
    var padding = 0
    var values: [Double]
    var x: [Float]

    var stride: Int { columns + padding }

    init(
      _ type: wb_float_type, rows: Int, columns: Int, padding: Int = 0, specials: Bool = false
    ) {
      var random = FixedRandom(seed: UInt64(rows * 131 + columns))
      func value() -> Double {
        switch specials ? Int.random(in: 0..<40, using: &random) : 5 {
        case 0: .infinity
        case 1: .nan
        case 2: 0x1p-149
        case 3: -0.0
        case 4: -0x1p-130
        default: Double.random(in: -1...1, using: &random)
        }
      }
      self.type = type
      self.rows = rows
      self.columns = columns
      self.padding = padding
      values = (0..<rows * (columns + padding)).map { _ in value() }
      x = (0..<max(rows, columns)).map { _ in Float(value()) }
      // Only what the type can hold.
      let exact = cast(WB_PORTABLE, WB_F64, type, values)
      values = WBCast.doubles(exact.bytes, type)
      bytes = exact.bytes
    }

    private(set) var bytes: [UInt8]

    /// The result's bits, of both products in a row; what follows the results must stay.
    func products(_ level: wb_level) -> [UInt32] {
      var down = [Float](repeating: 42, count: rows + 1)
      var across = [Float](repeating: 42, count: columns + 1)
      let size = byteCount(type)
      bytes.withUnsafeBytes { bytes in
        wb_matvec_at(level, type, bytes.baseAddress, rows, columns, stride * size, x, &down)
        wb_vecmat_at(level, type, bytes.baseAddress, rows, columns, stride * size, x, &across)
      }
      precondition(down.last == 42 && across.last == 42)
      return (down.dropLast() + across.dropLast()).map(\.bitPattern)
    }
  }

  /// Conversions for the tests.
  private enum WBCast {
    static func doubles(_ bytes: [UInt8], _ type: wb_float_type) -> [Double] {
      let count = bytes.count / byteCount(type)
      var result = [Double](repeating: 0, count: count)
      bytes.withUnsafeBytes { bytes in
        wb_cast_at(WB_PORTABLE, type, WB_F64, bytes.baseAddress, &result, count, nil)
      }
      return result
    }
  }

  private static let sizes = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 70, 97]

  @Test(arguments: floatTypes)
  func givesTheSameBitsAtEveryLevel(_ type: wb_float_type) {
    for rows in Self.sizes {
      for columns in Self.sizes {
        let operands = Operands(
          type, rows: rows, columns: columns, padding: rows % 3, specials: columns % 2 == 1)
        let portable = operands.products(WB_PORTABLE)
        for level in fastLevels {
          #expect(
            isSame(operands.products(level), portable), "\(rows) x \(columns), \(level.name)")
        }
      }
    }
  }

  @Test(arguments: floatTypes)
  func givesTheSameBitsForLongRows(_ type: wb_float_type) {
    for (rows, columns) in [(9, 4099), (4099, 9)] {
      let operands = Operands(type, rows: rows, columns: columns)
      let portable = operands.products(WB_PORTABLE)
      for level in fastLevels {
        #expect(isSame(operands.products(level), portable), "\(rows) x \(columns), \(level.name)")
      }
    }
  }

  @Test(arguments: floatTypes)
  func isNearTheSumInDoubles(_ type: wb_float_type) {
    for (rows, columns) in [(1, 1), (5, 33), (70, 301), (301, 70)] {
      let operands = Operands(type, rows: rows, columns: columns, padding: 1)
      let result = operands.products(WB_PORTABLE).map { Double(Float(bitPattern: $0)) }
      var expected = [Double](repeating: 0, count: rows + columns)
      var magnitudes = expected
      for row in 0..<rows {
        for column in 0..<columns {
          let weight = operands.values[row * operands.stride + column]
          let down = weight * Double(operands.x[column])
          let across = weight * Double(operands.x[row])
          expected[row] += down
          magnitudes[row] += down.magnitude
          expected[rows + column] += across
          magnitudes[rows + column] += across.magnitude
        }
      }
      for index in expected.indices {
        let error = (result[index] - expected[index]).magnitude
        #expect(error <= 1e-6 * magnitudes[index], "\(rows) x \(columns), \(index)")
      }
    }
  }

  /// The order of the additions is part of what is promised.
  @Test func addsInTheOrderThatTheHeaderGives() {
    let columns = 75
    let operands = Operands(WB_F32, rows: 1, columns: columns)
    var lanes = [Float](repeating: 0, count: 32)
    for column in 0..<columns {
      let product = Float(operands.values[column]) * operands.x[column]
      lanes[column % 32] += product
    }
    for half in [16, 8, 4, 2, 1] {
      for lane in 0..<half { lanes[lane] += lanes[lane + half] }
    }
    #expect(operands.products(WB_PORTABLE)[0] == lanes[0].bitPattern)

    let tall = Operands(WB_F32, rows: 10, columns: 1)
    let p = (0..<10).map { Float(tall.values[$0]) * tall.x[$0] }
    var sum: Float = 0
    sum += ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]))
    sum += p[8]
    sum += p[9]
    #expect(tall.products(WB_PORTABLE)[10] == sum.bitPattern)
  }

  @Test func givesEmptySumsOfZero() {
    for level in [WB_PORTABLE] + fastLevels {
      var result: [Float] = [1, 2]
      let weights: [Float] = [3, 4]
      wb_matvec_at(level, WB_F32, weights, 2, 0, 4, weights, &result)
      #expect(result.map(\.bitPattern) == [0, 0])
      result = [1, 2]
      wb_vecmat_at(level, WB_F32, weights, 0, 2, 8, weights, &result)
      #expect(result.map(\.bitPattern) == [0, 0])
    }
    var result: [Float] = [0]
    wb_matvec(WB_F32, [2, 3] as [Float], 1, 2, 8, [5, 7], &result)
    #expect(result == [31])
    wb_vecmat(WB_F32, [2, 3] as [Float], 2, 1, 4, [5, 7], &result)
    #expect(result == [31])
  }
}
