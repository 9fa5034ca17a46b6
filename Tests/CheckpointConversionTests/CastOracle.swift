/// IEEE 754 rounding in integer arithmetic, the slow and obvious way: what casts must give.
enum CastOracle {
  /// A binary floating-point format.
  struct Format: Hashable, Sendable, CustomStringConvertible {
    let description: String
    let exponentBits: Int
    let fractionBits: Int
    var byteCount: Int { (1 + exponentBits + fractionBits) / 8 }
    var bias: Int { 1 << (exponentBits - 1) - 1 }
    var topExponent: Int { 1 << exponentBits - 1 }
    var infinity: UInt64 { UInt64(topExponent) << UInt64(fractionBits) }
    var sign: UInt64 { 1 << UInt64(exponentBits + fractionBits) }
    var quietBit: UInt64 { 1 << UInt64(fractionBits - 1) }
  }

  static let f64 = Format(description: "F64", exponentBits: 11, fractionBits: 52)
  static let f32 = Format(description: "F32", exponentBits: 8, fractionBits: 23)
  static let f16 = Format(description: "F16", exponentBits: 5, fractionBits: 10)
  static let bf16 = Format(description: "BF16", exponentBits: 8, fractionBits: 7)
  static let all = [f64, f32, f16, bf16]

  /// What a cast makes of a number.
  struct Outcome {
    let bits: UInt64
    /// The value is the same; NaN counts as exact.
    let isExact: Bool
    /// A finite value became infinite.
    let isOverflow: Bool
  }

  static func round(_ bits: some BinaryInteger, _ from: Format, to: Format) -> Outcome {
    let bits = UInt64(truncatingIfNeeded: bits)
    let sign = bits & from.sign == 0 ? 0 : to.sign
    let exponent = Int(bits >> UInt64(from.fractionBits)) & from.topExponent
    let fraction = bits & (1 << UInt64(from.fractionBits) - 1)
    if exponent == from.topExponent {
      if fraction == 0 {
        return Outcome(bits: sign | to.infinity, isExact: true, isOverflow: false)
      }
      // NaN keeps its sign and its top payload bits, and becomes quiet.
      let shift = from.fractionBits - to.fractionBits
      let payload = shift > 0 ? fraction >> UInt64(shift) : fraction << UInt64(-shift)
      return Outcome(
        bits: sign | to.infinity | to.quietBit | payload, isExact: true, isOverflow: false)
    }
    let significand = exponent == 0 ? fraction : fraction | 1 << UInt64(from.fractionBits)
    if significand == 0 { return Outcome(bits: sign, isExact: true, isOverflow: false) }
    // value = significand · 2^scale
    let scale = max(exponent, 1) - from.bias - from.fractionBits
    let top = 63 - significand.leadingZeroBitCount
    // The spacing of the target's numbers around the value, as a power of two.
    let spacing = max(top + scale, 1 - to.bias) - to.fractionBits
    let drop = spacing - scale
    var quotient: UInt64
    var isExact = true
    if drop <= 0 {
      quotient = significand << UInt64(-drop)
    } else if drop > 63 {
      (quotient, isExact) = (0, false)
    } else {
      quotient = significand >> UInt64(drop)
      let rest = significand & (1 << UInt64(drop) - 1)
      let half: UInt64 = 1 << UInt64(drop - 1)
      isExact = rest == 0
      if rest > half || rest == half && quotient & 1 == 1 { quotient += 1 }
    }
    // quotient · 2^spacing, where a carry makes the exponent one larger by itself.
    let biased = spacing + to.fractionBits + to.bias
    let hidden: UInt64 = 1 << UInt64(to.fractionBits)
    let result =
      quotient < hidden
      ? quotient : (UInt64(biased - 1) << UInt64(to.fractionBits)) + quotient
    if result >= to.infinity {
      return Outcome(bits: sign | to.infinity, isExact: false, isOverflow: true)
    }
    return Outcome(bits: sign | result, isExact: isExact, isOverflow: false)
  }
}
