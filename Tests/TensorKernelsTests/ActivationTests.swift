import CTensorKernels
import Foundation
import TestSupport
import Testing

/// Activations, softmax and norms against the same formulas in f64.
@Suite struct ActivationTests {
  enum Activation: CaseIterable {
    case geluTanh, geluErf, silu

    /// Forms that cancel nothing, where the obvious ones lose the digits of results for negative x.
    func exact(_ x: Double) -> Double {
      switch self {
      case .geluTanh:
        x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      case .geluErf: 0.5 * x * erfc(-x / 2.0.squareRoot())
      case .silu: x / (1 + exp(-x))
      }
    }

    func apply(_ level: wb_level, _ values: [Float]) -> [Float] {
      var values = values + [42]
      switch self {
      case .geluTanh: wb_gelu_tanh_at(level, &values, values.count - 1)
      case .geluErf: wb_gelu_erf_at(level, &values, values.count - 1)
      case .silu: wb_silu_at(level, &values, values.count - 1)
      }
      precondition(values.removeLast() == 42)
      return values
    }
  }

  /// |result - exact| in units of the spacing of f32 at the exact value.
  private func error(_ result: Float, _ exact: Double) -> Double {
    if exact.isNaN { return result.bitPattern == 0x7fc0_0000 ? 0 : .infinity }
    if exact.isInfinite { return Double(result) == exact ? 0 : .infinity }
    let spacing = Double(sign: .plus, exponent: max(-126, exact.exponent) - 23, significand: 1)
    return (Double(result) - exact).magnitude / (exact == 0 ? 0x1p-149 : spacing)
  }

  /// Every sign and exponent with a few mantissas, and a grid where the functions bend.
  private static let inputs: [Float] = {
    var values: [Float] = [
      0, -0.0, .infinity, -.infinity, .nan, -.nan, 0x1p-149, 88.8, -103.9, -104.1,
    ]
    for upper in stride(from: UInt32(0), to: 0x1_0000, by: 7) {
      values.append(Float(bitPattern: upper << 16 | upper))
    }
    for step in -3000...3000 { values.append(Float(step) / 200 + 0.0001) }
    return values
  }()

  @Test(arguments: Activation.allCases)
  func isWithinHalfAnUlp(_ activation: Activation) {
    let results = activation.apply(WB_PORTABLE, Self.inputs)
    for (input, result) in zip(Self.inputs, results) {
      let exact = activation.exact(Double(input))
      #expect(error(result, exact) <= 0.501, "\(input): \(result), not \(exact)")
    }
    for level in fastLevels {
      #expect(isSame(activation.apply(level, Self.inputs), results), "\(level.name)")
    }
  }

  @Test(arguments: Activation.allCases)
  func appliesToEveryLength(_ activation: Activation) {
    let whole = activation.apply(WB_PORTABLE, Array(Self.inputs.prefix(70)))
    for level in [WB_PORTABLE] + fastLevels {
      for count in 0...70 {
        let part = activation.apply(level, Array(Self.inputs.prefix(count)))
        #expect(isSame(part, Array(whole.prefix(count))), "\(count), \(level.name)")
      }
    }
  }

  @Test func choosesALevel() {
    var values: [Float] = [1, -1]
    wb_gelu_tanh(&values, 2)
    #expect((values[0] - 0.841192).magnitude < 1e-6 && (values[1] + 0.158808).magnitude < 1e-6)
    values = [1, -1]
    wb_gelu_erf(&values, 2)
    #expect((values[0] - 0.841345).magnitude < 1e-6 && (values[1] + 0.158655).magnitude < 1e-6)
    values = [1, -1]
    wb_silu(&values, 2)
    #expect((values[0] - 0.731059).magnitude < 1e-6 && (values[1] + 0.268941).magnitude < 1e-6)
    values = [0, 0]
    wb_softmax_row(&values, 2)
    #expect(values == [0.5, 0.5])
  }

  // MARK: Softmax

  private func softmax(_ level: wb_level, _ row: [Float]) -> [Float] {
    var row = row + [42]
    wb_softmax_row_at(level, &row, row.count - 1)
    precondition(row.removeLast() == 42)
    return row
  }

  private func random(_ count: Int, _ scale: Float, seed: UInt64) -> [Float] {
    var random = FixedRandom(seed: seed)
    return (0..<count).map { _ in Float.random(in: -scale...scale, using: &random) }
  }

  @Test(arguments: [1, 2, 7, 8, 9, 31, 64, 501], [1, 50, 1e4] as [Float])
  func dividesExponentialsByTheirSum(_ count: Int, _ scale: Float) {
    var row = random(count, scale, seed: UInt64(count))
    for masked in stride(from: 3, to: count, by: 5) { row[masked] = -.infinity }
    let result = softmax(WB_PORTABLE, row)
    let maximum = Double(row.max() ?? 0)
    let exponentials = row.map { exp(Double($0) - maximum) }
    let sum = exponentials.reduce(0, +)
    for (index, exponential) in exponentials.enumerated() {
      #expect(error(result[index], exponential / sum) <= 0.501, "\(index)")
      if row[index] == -.infinity { #expect(result[index].bitPattern == 0) }
    }
    for level in fastLevels { #expect(isSame(softmax(level, row), result), "\(level.name)") }
  }

  @Test func hasNoSoftmaxOfMaskedRowsOrNaNs() {
    for level in [WB_PORTABLE] + fastLevels {
      for row: [Float] in [
        [-.infinity, -.infinity], [1, .nan, 2], [.nan], [1, .infinity, 2],
        Array(repeating: -.infinity, count: 19),
      ] {
        #expect(softmax(level, row).allSatisfy { $0.bitPattern == 0x7fc0_0000 }, "\(row)")
      }
      #expect(softmax(level, []) == [])
      #expect(softmax(level, [-3e38]) == [1])
    }
  }

  // MARK: Norms

  @Test(arguments: [1, 2, 7, 8, 9, 31, 64, 501])
  func normalises(_ count: Int) {
    let x = random(count, 3, seed: 1).map { $0 + 5 }
    let weight = random(count, 2, seed: 2)
    let bias = random(count, 1, seed: 3)
    let mean = x.reduce(0) { $0 + Double($1) } / Double(count)
    let variance =
      x.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
    let square = x.reduce(0) { $0 + Double($1) * Double($1) } / Double(count)
    var layer = [Float](repeating: 0, count: count)
    var plain = layer
    var rms = layer
    wb_layer_norm(x, weight, bias, &layer, count, 1e-5)
    wb_layer_norm(x, nil, nil, &plain, count, 1e-5)
    wb_rms_norm(x, weight, &rms, count, 1e-6)
    for i in 0..<count {
      let normal = (Double(x[i]) - mean) / (variance + 1e-5).squareRoot()
      let scaled = normal * Double(weight[i])
      // The sum may cancel, so the error is compared with its parts.
      let size = scaled.magnitude + Double(bias[i].magnitude)
      let layerError = (Double(layer[i]) - (scaled + Double(bias[i]))).magnitude
      #expect(layerError <= size * 0x1p-24 * 1.001)
      #expect(error(plain[i], normal) <= 0.51 || normal.magnitude < 1e-12)
      let exact = Double(x[i]) / (square + 1e-6).squareRoot() * Double(weight[i])
      #expect(error(rms[i], exact) <= 0.501)
    }
    var inPlace = x
    inPlace.withUnsafeMutableBufferPointer {
      wb_rms_norm($0.baseAddress, weight, $0.baseAddress, count, 1e-6)
    }
    #expect(isSame(inPlace, rms))
    inPlace = x
    inPlace.withUnsafeMutableBufferPointer {
      wb_layer_norm($0.baseAddress, weight, bias, $0.baseAddress, count, 1e-5)
    }
    #expect(isSame(inPlace, layer))
  }

  @Test func spreadsNaNsOverTheVector() {
    let x: [Float] = [1, .nan, 3]
    var y = x
    wb_rms_norm(x, nil, &y, 3, 1e-6)
    #expect(y.allSatisfy { $0.bitPattern == 0x7fc0_0000 })
    wb_layer_norm(x, nil, nil, &y, 3, 1e-6)
    #expect(y.allSatisfy { $0.bitPattern == 0x7fc0_0000 })
  }
}
