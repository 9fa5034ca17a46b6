import CTensorKernels
import TestSupport
import Testing

@Suite struct StatisticsTests {
  private func statistics<Element: BitwiseCopyable>(
    _ type: wb_stat_type, _ elements: [Element], inCallsOf step: Int = .max
  ) -> wb_statistics {
    var result = wb_statistics()
    wb_statistics_begin(&result)
    var start = 0
    while start < elements.count {
      let part = Array(
        elements[start..<min(elements.count, start.advanced(by: min(step, 1 << 30)))])
      wb_statistics_add(type, part, part.count, &result)
      start += part.count
    }
    return result
  }

  /// Compares with sums in order, which agree to rounding; everything else is equal.
  private func check<Element: BitwiseCopyable>(
    _ type: wb_stat_type, _ elements: [Element], _ values: [Double],
    _ location: SourceLocation = #_sourceLocation
  ) {
    let result = statistics(type, elements)
    let finite = values.filter(\.isFinite)
    // Moments are about the first finite value.
    let shift = finite.first ?? 0
    let distances = finite.map { $0 - shift }
    let squares = distances.reduce(0) { $0 + $1 * $1 }
    let tolerance = 1e-12 * distances.reduce(0) { $0 + $1.magnitude }
    #expect(result.has_shift == !finite.isEmpty, sourceLocation: location)
    #expect(result.shift == shift, sourceLocation: location)
    #expect(result.count == UInt64(values.count), sourceLocation: location)
    #expect(result.finite_count == UInt64(finite.count), sourceLocation: location)
    #expect(result.zero_count == UInt64(values.count { $0 == 0 }), sourceLocation: location)
    #expect(result.nan_count == UInt64(values.count { $0.isNaN }), sourceLocation: location)
    #expect(
      result.positive_infinity_count == UInt64(values.count { $0 == .infinity }),
      sourceLocation: location)
    #expect(
      result.negative_infinity_count == UInt64(values.count { $0 == -.infinity }),
      sourceLocation: location)
    #expect(result.minimum == finite.min() ?? .infinity, sourceLocation: location)
    #expect(result.maximum == finite.max() ?? -.infinity, sourceLocation: location)
    #expect(
      (result.sum - distances.reduce(0, +)).magnitude <= tolerance, sourceLocation: location)
    #expect(
      (result.sum_of_squares - squares).magnitude <= 1e-12 * squares, sourceLocation: location)
  }

  @Test(arguments: [0, 1, 2, 7, 8, 9, 67, 513])
  func countsFloats(_ count: Int) {
    var random = FixedRandom(seed: UInt64(count))
    let values = (0..<count).map { _ -> Double in
      switch Int.random(in: 0..<10, using: &random) {
      case 0: 0
      case 1: -0.0
      case 2: .nan
      case 3: .infinity
      case 4: -.infinity
      default: Double.random(in: -9...9, using: &random)
      }
    }
    check(WB_STAT_F64, values, values)
    let singles = values.map { Float($0) }
    check(WB_STAT_F32, singles, singles.map { Double($0) })
    let upper = singles.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 16) }
    check(WB_STAT_BF16, upper, upper.map { widened(bf16: $0) })
    let halves = values.map { _ in UInt16(truncatingIfNeeded: random.next()) }
    check(WB_STAT_F16, halves, halves.map { widened(f16: $0) })
  }

  @Test func countsIntegers() {
    func check<Element: FixedWidthInteger & BitwiseCopyable>(_ type: wb_stat_type, _: Element.Type)
    {
      var random = FixedRandom(seed: 7)
      var elements: [Element] = [.min, .max, 0, 1]
      for _ in 0..<63 { elements.append(.random(in: .min ... .max, using: &random)) }
      self.check(type, elements, elements.map { Double($0) })
    }
    check(WB_STAT_I8, Int8.self)
    check(WB_STAT_I16, Int16.self)
    check(WB_STAT_I32, Int32.self)
    check(WB_STAT_I64, Int64.self)
    check(WB_STAT_U8, UInt8.self)
    check(WB_STAT_U16, UInt16.self)
    check(WB_STAT_U32, UInt32.self)
    check(WB_STAT_U64, UInt64.self)
    self.check(WB_STAT_BOOL, [0, 1, 2, 255] as [UInt8], [0, 1, 1, 1])
  }

  @Test func givesTheSameSumsForATensorInPieces() {
    var random = FixedRandom(seed: 8)
    let values = (0..<10_000).map { _ in Float.random(in: -1...1, using: &random) }
    let whole = statistics(WB_STAT_F32, values)
    for step in [4096, 8192] {
      let parts = statistics(WB_STAT_F32, values, inCallsOf: step)
      #expect(parts.sum.bitPattern == whole.sum.bitPattern)
      #expect(parts.sum_of_squares.bitPattern == whole.sum_of_squares.bitPattern)
      #expect(parts.minimum == whole.minimum && parts.maximum == whole.maximum)
    }
  }

  // MARK: 8-bit floats

  private struct Format: Sendable {
    let type: wb_stat_type
    let fractionBits: Int
    let bias: Int
    let isNaN: @Sendable (UInt8) -> Bool
    let isInfinite: @Sendable (UInt8) -> Bool
  }

  private static let formats: [Format] = [
    Format(
      type: WB_STAT_F8_E4M3, fractionBits: 3, bias: 7, isNaN: { $0 & 0x7f == 0x7f },
      isInfinite: { _ in false }),
    Format(
      type: WB_STAT_F8_E5M2, fractionBits: 2, bias: 15, isNaN: { $0 & 0x7f > 0x7c },
      isInfinite: { $0 & 0x7f == 0x7c }),
    Format(
      type: WB_STAT_F8_E4M3FNUZ, fractionBits: 3, bias: 8, isNaN: { $0 == 0x80 },
      isInfinite: { _ in false }),
    Format(
      type: WB_STAT_F8_E5M2FNUZ, fractionBits: 2, bias: 16, isNaN: { $0 == 0x80 },
      isInfinite: { _ in false }),
  ]

  @Test(arguments: formats.indices)
  func knowsEverySmallFloat(_ index: Int) {
    let format = Self.formats[index]
    for code in UInt8.min...UInt8.max {
      let value = wb_small_float(format.type, code)
      if format.isNaN(code) {
        #expect(value.isNaN, "\(code)")
        continue
      }
      let sign: Float = code & 0x80 == 0 ? 1 : -1
      if format.isInfinite(code) {
        #expect(value == sign * .infinity, "\(code)")
        continue
      }
      let exponent = Int(code & 0x7f) >> format.fractionBits
      let fraction = Int(code) & (1 << format.fractionBits - 1)
      let significand = exponent == 0 ? fraction : fraction + 1 << format.fractionBits
      let scale = max(1, exponent) - format.bias - format.fractionBits
      let expected = sign * Float(sign: .plus, exponent: scale, significand: Float(significand))
      #expect(value.bitPattern == expected.bitPattern, "\(code)")
    }
  }

  @Test func knowsEveryScale() {
    for code in UInt8.min...254 {
      #expect(
        wb_small_float(WB_STAT_F8_E8M0, code)
          == Float(sign: .plus, exponent: Int(code) - 127, significand: 1))
    }
    #expect(wb_small_float(WB_STAT_F8_E8M0, 255).isNaN)
    #expect(wb_small_float(WB_STAT_F32, 0).isNaN)
  }

  @Test(arguments: [
    WB_STAT_F8_E4M3, WB_STAT_F8_E5M2, WB_STAT_F8_E4M3FNUZ, WB_STAT_F8_E5M2FNUZ, WB_STAT_F8_E8M0,
  ])
  func countsSmallFloats(_ type: wb_stat_type) {
    let codes = Array(UInt8.min...UInt8.max)
    check(type, codes, codes.map { Double(wb_small_float(type, $0)) })
  }
}
