import CTensorKernels
import TestSupport
import Testing

/// Counts of one cast that can be compared.
private struct Counts: Equatable {
  var changed = 0
  var overflow = 0
  var flushed = 0
  var subnormal = 0

  init() {}

  init(_ loss: wb_cast_loss) {
    changed = Int(loss.changed_count)
    overflow = Int(loss.overflow_count)
    flushed = Int(loss.flushed_count)
    subnormal = Int(loss.subnormal_count)
  }

  /// Takes in that a number becomes another one.
  mutating func add(_ value: Double, became result: Double, smallestNormal: Double) {
    guard result != value else { return }
    changed += 1
    if result.isInfinite {
      overflow += 1
    } else if result == 0 {
      flushed += 1
    } else if result.magnitude < smallestNormal {
      subnormal += 1
    }
  }
}

private let targets = [WB_F32, WB_F16, WB_BF16]

/// What `wb_cast_losses_add` says, for each target.
private func losses<Element: BitwiseCopyable>(
  _ level: wb_level, _ from: wb_float_type, _ values: [Element], skipping skipped: Int = 0,
  inCallsOf step: Int = 1 << 30
) -> [Counts] {
  var result = wb_cast_losses()
  values.withUnsafeBytes { bytes in
    guard let base = bytes.baseAddress else { return }
    for start in stride(from: skipped, to: values.count, by: step) {
      let count = min(step, values.count - start)
      wb_cast_losses_add_at(level, from, base + start * byteCount(from), count, &result)
    }
  }
  return [result.to_f32, result.to_f16, result.to_bf16].map(Counts.init)
}

@Suite struct PrecisionTests {
  private static let codes = Array(UInt16.min...UInt16.max)
  private static let levels = [WB_PORTABLE] + fastLevels

  // MARK: Two oracles

  /// By arithmetic in binary64.
  private func expected(_ values: [Double]) -> [Counts] {
    targets.map { target in
      let oracle = RoundingOracle(target)
      var counts = Counts()
      for value in values where !value.isNaN {
        counts.add(
          value, became: oracle.rounded(value).value,
          smallestNormal: target == WB_F16 ? 0x1p-14 : 0x1p-126)
      }
      return counts
    }
  }

  /// By casting, and widening what comes of it.
  private func castAndWidened<Element: BitwiseCopyable>(
    _ from: wb_float_type, _ values: [Element]
  ) -> [Counts] {
    let exact = elements(cast(WB_PORTABLE, from, WB_F64, values), as: Double.self)
    return targets.map { target in
      let narrow = cast(WB_PORTABLE, from, target, values).bytes
      var wide = [Double](repeating: 0, count: values.count)
      narrow.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        wb_cast_at(WB_PORTABLE, target, WB_F64, base, &wide, values.count, nil)
      }
      var counts = Counts()
      for (value, result) in zip(exact, wide) where !value.isNaN {
        counts.add(
          value, became: result, smallestNormal: target == WB_F16 ? 0x1p-14 : 0x1p-126)
      }
      return counts
    }
  }

  // MARK: All 16 bits

  @Test(arguments: [WB_F16, WB_BF16])
  func knowsEveryHalf(_ from: wb_float_type) {
    let values = Self.codes.map { from == WB_F16 ? widened(f16: $0) : widened(bf16: $0) }
    let all = expected(values)
    #expect(all == castAndWidened(from, Self.codes))
    for level in Self.levels {
      #expect(losses(level, from, Self.codes) == all, "\(level.name)")
      // Of one value the counts say exactly what happens to it.
      for code in stride(from: 0, to: Self.codes.count, by: TestEffort.step(13)) {
        #expect(losses(level, from, [Self.codes[code]]) == expected([values[code]]), "\(code)")
      }
    }
    // Widened to F32, the same happens to them, and nothing in the dtype that they come from.
    let wide = elements(cast(WB_PORTABLE, from, WB_F32, Self.codes), as: Float.self)
    for level in Self.levels {
      let found = losses(level, WB_F32, wide)
      #expect(found == all, "\(level.name)")
      #expect(found[from == WB_F16 ? 1 : 2] == Counts())
    }
  }

  /// Every upper half of an F32 with lower halves at which something changes in either dtype.
  @Test func knowsEveryUpperHalfOfSingles() {
    let edges: [UInt32] = [
      0, 1, 0xfff, 0x1000, 0x1001, 0x1fff, 0x2000, 0x2001, 0x3000, 0x7fff, 0x8000, 0x8001, 0xe000,
      0xf000, 0xf001, 0xffff,
    ]
    for first in stride(from: UInt32(0), to: 0x1_0000, by: 64) {
      let values = (first..<first + 64).flatMap { upper in
        edges.map { Float(bitPattern: upper << 16 | $0) }
      }
      let all = castAndWidened(WB_F32, values)
      for level in Self.levels {
        #expect(losses(level, WB_F32, values) == all, "\(first), \(level.name)")
      }
      if first % 1024 == 0 {
        #expect(all == expected(values.map { widened(f32: $0.bitPattern) }), "\(first)")
      }
    }
  }

  // MARK: Boundaries

  /// Both signs of numbers of a dtype, of the midpoints between them, and of the neighbours of all.
  private static func boundaries<Wide: BinaryFloatingPoint>(
    _ target: wb_float_type, _: Wide.Type, by step: Int
  ) -> [Wide] {
    let largest: UInt32 =
      target == WB_F32 ? 0x7f7f_ffff : target == WB_F16 ? 0x7bff : 0x7f7f
    func number(_ code: UInt32) -> Double {
      switch target {
      case WB_F32: widened(f32: code)
      case WB_F16: code > largest ? 65536 : widened(f16: UInt16(code))
      default: code > largest ? 0x1p128 : widened(bf16: UInt16(code))
      }
    }
    var codes = Array(stride(from: UInt32(0), to: largest, by: step)) + [largest]
    // The subnormal numbers' end.
    codes += target == WB_F32 ? [0x7f_ffff, 0x80_0000] : target == WB_F16 ? [0x3ff, 0x400] : []
    return codes.flatMap { code -> [Wide] in
      let value = Wide(number(code))
      let middle = Wide(
        target == WB_F32 && code == largest
          ? 0x1.ffffffp127 : (number(code) + number(code + 1)) / 2)
      let values = [
        value.nextDown, value, value.nextUp, middle.nextDown, middle, middle.nextUp,
      ].filter { $0.magnitude.isFinite }
      return values + values.map { -$0 }
    }
  }

  @Test func roundsSinglesAtEveryBoundary() {
    for target in [WB_F16, WB_BF16] {
      let values = Self.boundaries(target, Float.self, by: TestEffort.step(7))
      let all = expected(values.map(Double.init))
      for level in Self.levels {
        #expect(losses(level, WB_F32, values) == all, "\(level.name)")
      }
    }
  }

  @Test(arguments: [(WB_F32, 70_001), (WB_F16, 7), (WB_BF16, 7)])
  func roundsDoublesAtEveryBoundary(_ target: wb_float_type, step: Int) {
    let values = Self.boundaries(target, Double.self, by: TestEffort.step(step))
    let all = expected(values)
    #expect(all == castAndWidened(WB_F64, values))
    for level in Self.levels {
      #expect(losses(level, WB_F64, values) == all, "\(level.name)")
    }
  }

  @Test func knowsTheValuesThatPeopleAskFor() {
    func to(f16 value: Float) -> [Int] {
      let counts = losses(wb_best_level(), WB_F32, [value])[1]
      return [counts.changed, counts.overflow, counts.flushed, counts.subnormal]
    }
    for value: Float in [0, -0.0, .infinity, -.infinity, .nan, 65504, -65504, 0x1p-24, 0x1p-14] {
      #expect(to(f16: value) == [0, 0, 0, 0], "\(value)")
    }
    #expect(to(f16: Float(65520).nextDown) == [1, 0, 0, 0])
    #expect(to(f16: 65520) == [1, 1, 0, 0])
    #expect(to(f16: 65536) == [1, 1, 0, 0])
    #expect(to(f16: -.greatestFiniteMagnitude) == [1, 1, 0, 0])
    #expect(to(f16: 0x1p-25) == [1, 0, 1, 0])
    #expect(to(f16: Float(0x1p-25).nextUp) == [1, 0, 0, 1])
    #expect(to(f16: .leastNonzeroMagnitude) == [1, 0, 1, 0])
    #expect(to(f16: 0x1.8p-24) == [1, 0, 0, 1])
    // Half a step below the smallest normal number: a tie, to that.
    #expect(to(f16: 0x1p-14 - 0x1p-25) == [1, 0, 0, 0])
    #expect(to(f16: Float(0x1p-14 - 0x1p-25).nextDown) == [1, 0, 0, 1])
    // NaNs stay NaNs, whatever their payload.
    let nans = [0x7f80_0001, 0xffff_ffff, 0x7fc0_0000].map { Float(bitPattern: $0) }
    #expect(losses(wb_best_level(), WB_F32, nans) == [Counts(), Counts(), Counts()])
  }

  // MARK: Random values

  @Test(arguments: floatTypes) func agreesWithCastsOfRandomBits(_ from: wb_float_type) {
    var random = FixedRandom(seed: 12)
    let count = 20_000
    func check<Element: BitwiseCopyable>(_ values: [Element]) {
      let all = castAndWidened(from, values)
      for level in Self.levels {
        #expect(losses(level, from, values) == all, "\(level.name)")
        #expect(losses(level, from, values, inCallsOf: 999) == all, "\(level.name)")
      }
    }
    switch from {
    case WB_F64:
      check((0..<count).map { _ in random.next() })
      // Tiles of ordinary numbers; then some in which a few are small.
      check((0..<count).map { _ in Double.random(in: 1...2, using: &random) })
      check((0..<count).map { _ in Double(Float.random(in: -1e-4...1e-4, using: &random)) })
    case WB_F32:
      check((0..<count).map { _ in UInt32(truncatingIfNeeded: random.next()) })
      check((0..<count).map { _ in Float.random(in: 1...2, using: &random) })
      check((0..<count).map { _ in Float.random(in: -1e-4...1e-4, using: &random) })
      check((0..<count).map { _ in Float.random(in: -1...1, using: &random) * 0x1p120 })
      check((0..<count).map { $0 % 5 == 0 ? 0 : Float($0 % 2048) })
    default: check((0..<count).map { _ in UInt16(truncatingIfNeeded: random.next()) })
    }
  }

  @Test func findsNothingInWhatWasCastBefore() {
    var random = FixedRandom(seed: 13)
    // Half of them too small for F16, which has all bits of the others that BF16 has.
    let values = (0..<5000).map {
      Double.random(in: -8...8, using: &random) * ($0 % 2 == 0 ? 1 : 1e-9)
    }
    for (place, target) in targets.enumerated() {
      let narrow = cast(WB_PORTABLE, WB_F64, target, values).bytes
      for from in [WB_F64, WB_F32] where from != target {
        var wide = [UInt8](repeating: 0, count: values.count * byteCount(from))
        narrow.withUnsafeBytes { bytes in
          guard let base = bytes.baseAddress else { return }
          wb_cast(target, from, base, &wide, values.count, nil)
        }
        wide.withUnsafeBytes { bytes in
          var result = wb_cast_losses()
          guard let base = bytes.baseAddress else { return }
          wb_cast_losses_add(from, base, values.count, &result)
          let counts = [result.to_f32, result.to_f16, result.to_bf16].map(Counts.init)
          #expect(counts[place] == Counts())
          #expect(target == WB_F32 || counts[target == WB_F16 ? 2 : 1].changed > 0)
        }
      }
    }
  }

  @Test(arguments: floatTypes) func countsEveryLengthAlikeAtEveryLevel(_ from: wb_float_type) {
    var random = FixedRandom(seed: 14)
    let bits = (0..<2060).map { _ in random.next() }
    func check<Element: BitwiseCopyable>(_ elements: [Element]) {
      for count in Array(0...67) + [2047, 2048, 2049] {
        for skipped in [0, 1, 3] {
          let input = Array(elements.prefix(count + skipped))
          let portable = losses(WB_PORTABLE, from, input, skipping: skipped)
          for level in fastLevels {
            #expect(
              losses(level, from, input, skipping: skipped) == portable,
              "\(count) elements after \(skipped), \(level.name)")
          }
        }
      }
    }
    switch from {
    case WB_F64: check(bits)
    case WB_F32: check(bits.map { UInt32(truncatingIfNeeded: $0) })
    default: check(bits.map { UInt16(truncatingIfNeeded: $0) })
    }
  }
}
