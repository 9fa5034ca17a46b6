import CTensorKernels
import TestSupport
import Testing

@Suite struct CastTests {
  private static let codes = Array(UInt16.min...UInt16.max)
  private static let halfTypes = [WB_F16, WB_BF16]

  // MARK: All inputs of 16 bits

  @Test(arguments: halfTypes, floatTypes)
  func castsEveryHalfAlikeAtEveryLevel(_ from: wb_float_type, _ to: wb_float_type) {
    let portable = cast(WB_PORTABLE, from, to, Self.codes)
    for level in fastLevels {
      #expect(cast(level, from, to, Self.codes).matches(portable), "\(level.name)")
    }
  }

  @Test(arguments: halfTypes)
  func widensEveryHalfExactly(_ from: wb_float_type) {
    let exact = Self.codes.map { from == WB_F16 ? widened(f16: $0) : widened(bf16: $0) }
    let wide = cast(WB_PORTABLE, from, WB_F64, Self.codes)
    #expect(isSame(elements(wide, as: UInt64.self), exact.map(\.bitPattern)))
    #expect(wide.rounded == 0 && wide.overflows == 0 && wide.firstOverflow == .max)
    let single = cast(WB_PORTABLE, from, WB_F32, Self.codes)
    #expect(single.matches(RoundingOracle(WB_F32).cast(exact)))
    #expect(single.rounded == 0 && single.overflows == 0)
  }

  #if !(os(macOS) && arch(x86_64))
    @Test func widensHalvesAsSwiftDoes() {
      let wide = elements(cast(WB_PORTABLE, WB_F16, WB_F32, Self.codes), as: Float.self)
      for code in Self.codes where !Float16(bitPattern: code).isNaN {
        #expect(wide[Int(code)].bitPattern == Float(Float16(bitPattern: code)).bitPattern)
      }
    }
  #endif

  @Test func roundsOneHalfTypeToTheOtherOnce() {
    let f16 = Self.codes.map { widened(f16: $0) }
    #expect(
      cast(WB_PORTABLE, WB_F16, WB_BF16, Self.codes).matches(RoundingOracle(WB_BF16).cast(f16)))
    let bf16 = Self.codes.map { widened(bf16: $0) }
    #expect(
      cast(WB_PORTABLE, WB_BF16, WB_F16, Self.codes).matches(RoundingOracle(WB_F16).cast(bf16)))
  }

  @Test(arguments: floatTypes)
  func copiesBytesToTheSameType(_ type: wb_float_type) {
    for level in [WB_PORTABLE] + fastLevels {
      let count = Self.codes.count * 2 / byteCount(type)
      let source = Self.codes.withUnsafeBytes { Array($0) }
      let outcome = source.withUnsafeBytes { bytes in
        type == WB_F64
          ? cast(level, type, type, Array(bytes.bindMemory(to: UInt64.self)))
          : type == WB_F32
            ? cast(level, type, type, Array(bytes.bindMemory(to: UInt32.self)))
            : cast(level, type, type, Array(bytes.bindMemory(to: UInt16.self)))
      }
      #expect(isSame(outcome.bytes, source), "\(count) elements, \(level.name)")
      #expect(outcome.rounded == 0 && outcome.error == 0 && outcome.firstOverflow == .max)
    }
  }

  // MARK: Boundaries

  /// Both signs of the numbers around every number and midpoint of a type, and NaNs.
  private static func boundaries(_ type: wb_float_type) -> [Float] {
    var values: [Float] = []
    if type == WB_F16 {
      // 0x7c00 takes part, as the number that the rounding rule takes it for: 65536.
      let numbers = (UInt16(0)...0x7c00).map { $0 == 0x7c00 ? 65536 : Float(widened(f16: $0)) }
      for (number, next) in zip(numbers, numbers.dropFirst()) {
        let middle = (number + next) / 2
        values += [number, number.nextUp, middle.nextDown, middle, middle.nextUp, next.nextDown]
      }
    } else {
      for upper in UInt32(0)..<0x7f80 {
        for lower: UInt32 in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
          values.append(Float(bitPattern: upper << 16 | lower))
        }
      }
    }
    values += values.map { -$0 }
    values += [.infinity, -.infinity, .leastNonzeroMagnitude, .leastNormalMagnitude]
    values += [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 65504, 65519.996, 65520]
    for payload in [1, 0x1fff, 0x2000, 0xffff, 0x1_0000, 0x3f_ffff, 0x40_0000, 0x7f_ffff] {
      values.append(Float(bitPattern: 0x7f80_0000 | UInt32(payload)))
      values.append(Float(bitPattern: 0xff80_0000 | UInt32(payload)))
    }
    return values
  }

  @Test(arguments: halfTypes)
  func roundsEverythingAroundMidpointsToNearestEven(_ type: wb_float_type) {
    let values = Self.boundaries(type)
    for to in Self.halfTypes {
      let portable = cast(WB_PORTABLE, WB_F32, to, values)
      for level in fastLevels {
        #expect(cast(level, WB_F32, to, values).matches(portable), "\(level.name)")
      }
      if to == type {
        let exact = values.map { widened(f32: $0.bitPattern) }
        #expect(portable.matches(RoundingOracle(to).cast(exact)))
        #expect(Double(bitPattern: portable.error) == 0.5)
      }
    }
    let wide = cast(WB_PORTABLE, WB_F32, WB_F64, values)
    for level in fastLevels {
      #expect(cast(level, WB_F32, WB_F64, values).matches(wide), "\(level.name)")
    }
  }

  @Test func roundsToBF16AsIntegerArithmeticDoes() {
    let values = Self.boundaries(WB_BF16).filter { !$0.isNaN }
    let expected = values.map { value in
      let bits = value.bitPattern
      return UInt16(truncatingIfNeeded: (bits + 0x7fff + (bits >> 16 & 1)) >> 16)
    }
    #expect(isSame(elements(cast(WB_PORTABLE, WB_F32, WB_BF16, values), as: UInt16.self), expected))
  }

  #if !(os(macOS) && arch(x86_64))
    @Test func roundsToF16AsSwiftDoes() {
      let values = Self.boundaries(WB_F16).filter { !$0.isNaN }
      let expected = values.map { Float16($0).bitPattern }
      #expect(
        isSame(elements(cast(WB_PORTABLE, WB_F32, WB_F16, values), as: UInt16.self), expected))
    }
  #endif

  /// A little above or below the middle between two numbers of the type: rounding to F32 first would land on the middle.
  @Test(arguments: [WB_F32, WB_F16, WB_BF16])
  func roundsDoublesOnce(_ to: wb_float_type) {
    var random = FixedRandom(seed: 1)
    var values: [Double] = [0, -0.0, .infinity, -.infinity, 0x1p-1074, .greatestFiniteMagnitude]
    for payload: UInt64 in [1, 1 << 28, 1 << 29, 1 << 42, 1 << 45, 1 << 50, 1 << 51] {
      values.append(Double(bitPattern: 0x7ff << 52 | payload))
      values.append(Double(bitPattern: 0xfff << 52 | payload))
    }
    for _ in 0..<4000 {
      let number: Double
      let spacing: Double
      switch to {
      case WB_F16:
        let code = UInt16.random(in: 0...0x7bff, using: &random)
        number = widened(f16: code)
        spacing = widened(f16: max(code, 0x400) & 0xfc00) * 0x1p-10
      case WB_BF16:
        number = widened(bf16: UInt16.random(in: 0...0x7f7f, using: &random))
        spacing = Double(sign: .plus, exponent: max(-126, Int(number.exponent)) - 7, significand: 1)
      default:
        number = widened(f32: UInt32.random(in: 0...0x7f7f_ffff, using: &random))
        spacing = Double(
          sign: .plus, exponent: max(-126, Int(number.exponent)) - 23, significand: 1)
      }
      let middle = number + spacing / 2
      for value in [number, middle.nextDown, middle, middle.nextUp, middle + spacing * 0x1p-20] {
        values += [value, -value]
      }
      values.append(Double(bitPattern: random.next()))
    }
    let portable = cast(WB_PORTABLE, WB_F64, to, values)
    #expect(portable.matches(RoundingOracle(to).cast(values.map { $0.isNaN ? quiet($0) : $0 })))
    for level in fastLevels {
      #expect(cast(level, WB_F64, to, values).matches(portable), "\(level.name)")
    }
  }

  private func quiet(_ value: Double) -> Double {
    Double(bitPattern: value.bitPattern | 1 << 51)
  }

  @Test func fallsIntoNoneOfTheKnownTrapsOfRoundingTwice() {
    // 1 + 2^-11 + 2^-40 lies above the middle of 1 and 1 + 2^-10; as a binary32 it is the middle.
    let values = [1 + 0x1p-11 + 0x1p-40, 65520 - 0x1p-30, 0x1p-25 + 0x1p-60, 0x1p-25, 65520]
    for level in [WB_PORTABLE] + fastLevels {
      let outcome = cast(level, WB_F64, WB_F16, values)
      #expect(elements(outcome, as: UInt16.self) == [0x3c01, 0x7bff, 1, 0, 0x7c00])
      #expect(outcome.rounded == 5 && outcome.overflows == 1 && outcome.firstOverflow == 4)
      #expect(Double(bitPattern: outcome.firstValue) == 65520)
      #expect(Double(bitPattern: outcome.error) == 0.5)
    }
  }

  // MARK: Lengths

  @Test(arguments: typePairs)
  func castsEveryLengthAlikeAtEveryLevel(_ from: wb_float_type, _ to: wb_float_type) {
    var random = FixedRandom(seed: 2)
    // Overflows, NaNs and ordinary numbers, each now and then.
    let values = (0..<72).map { _ -> Double in
      switch Int.random(in: 0..<8, using: &random) {
      case 0: Double(bitPattern: random.next())
      case 1: 1e6 * Double.random(in: -1...1, using: &random)
      default: Double.random(in: -4...4, using: &random)
      }
    }
    func check<Element: BitwiseCopyable>(_ elements: [Element]) {
      for count in 0...67 {
        for skipped in [0, 1, 3] {
          let input = Array(elements.prefix(count + skipped))
          let portable = cast(WB_PORTABLE, from, to, input, skipping: skipped)
          for level in fastLevels {
            #expect(
              cast(level, from, to, input, skipping: skipped).matches(portable),
              "\(count) elements after \(skipped), \(level.name)")
          }
        }
      }
    }
    switch from {
    case WB_F64: check(values)
    case WB_F32: check(values.map { Float($0) })
    default: check(values.map { UInt16(truncatingIfNeeded: $0.bitPattern >> 48) })
    }
  }

  @Test func choosesALevelThatIsAvailable() {
    #expect(wb_level_available(WB_PORTABLE))
    #expect(wb_level_available(wb_best_level()))
    let values: [Float] = [1, 2.0002, 1e9, .nan]
    var codes = [UInt16](repeating: 0, count: 4)
    var report = wb_cast_report()
    wb_cast(WB_F32, WB_F16, values, &codes, 4, &report)
    #expect(codes == [0x3c00, 0x4000, 0x7c00, 0x7e00])
    #expect(report.rounded_count == 2 && report.overflow_count == 1 && report.first_overflow == 2)
    wb_cast(WB_F32, WB_F16, values, &codes, 4, nil)
  }
}
