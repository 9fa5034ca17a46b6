import CTensorKernels

/// An independent account of what rounding once to nearest even is: by arithmetic in binary64, which is exact here.
struct RoundingOracle {
  let type: wb_float_type
  private let fractionBits: Int
  private let smallestExponent: Int
  private let largest: Double

  /// For F32, F16 and BF16.
  init(_ type: wb_float_type) {
    self.type = type
    fractionBits = type == WB_F32 ? 23 : type == WB_F16 ? 10 : 7
    smallestExponent = type == WB_F16 ? -14 : -126
    largest = type == WB_F32 ? 0x1.fffffep127 : type == WB_F16 ? 65504 : 0x1.fep127
  }

  /// The rounded number and the error in units of the spacing at `value`.
  func rounded(_ value: Double) -> (value: Double, error: Double) {
    if value == 0 || value.isInfinite { return (value, 0) }
    let exponent = max(Int(value.exponent), smallestExponent)
    let spacing = Double(sign: .plus, exponent: exponent - fractionBits, significand: 1)
    let steps = value / spacing
    let nearest = steps.rounded(.toNearestOrEven)
    let result = nearest * spacing
    if result.magnitude > largest { return (result < 0 ? -.infinity : .infinity, 0) }
    return (result, (steps - nearest).magnitude)
  }

  /// Sign, exponent and fraction of a number that the type has.
  func code(_ value: Double) -> UInt32 {
    switch type {
    case WB_F32: Float(value).bitPattern
    #if !(os(macOS) && arch(x86_64))
      case WB_F16: UInt32(Float16(value).bitPattern)
    #endif
    default: Float(value).bitPattern >> 16
    }
  }

  /// A NaN keeps its sign and as much of its payload as fits, and is quiet.
  func code(ofNaN value: Double) -> UInt32 {
    let bits = value.bitPattern
    let exponentBits = type == WB_F16 ? 5 : 8
    let sign = UInt32(bits >> 63) << UInt32(exponentBits + fractionBits)
    let exponent = (UInt32(1) << exponentBits - 1) << UInt32(fractionBits)
    let payload = UInt32(truncatingIfNeeded: bits >> UInt64(52 - fractionBits))
    let fraction = payload & (UInt32(1) << fractionBits - 1)
    return sign | exponent | UInt32(1) << (fractionBits - 1) | fraction
  }

  /// All results and what happened on the way.
  func cast(_ values: [Double]) -> Outcome {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(values.count * byteCount(type))
    var report = wb_cast_report()
    report.first_overflow = .max
    for (index, value) in values.enumerated() {
      let code: UInt32
      if value.isNaN {
        code = self.code(ofNaN: value)
      } else {
        let (result, error) = rounded(value)
        code = self.code(result)
        if result != value {
          report.rounded_count += 1
          report.largest_error_ulp = max(report.largest_error_ulp, error)
          if result.isInfinite {
            report.overflow_count += 1
            if report.first_overflow == .max {
              report.first_overflow = UInt64(index)
              report.first_overflow_value = value
            }
          }
        }
      }
      bytes.append(UInt8(truncatingIfNeeded: code))
      bytes.append(UInt8(truncatingIfNeeded: code >> 8))
      if type == WB_F32 {
        bytes.append(UInt8(truncatingIfNeeded: code >> 16))
        bytes.append(UInt8(truncatingIfNeeded: code >> 24))
      }
    }
    return Outcome(bytes, report)
  }
}

/// The exact value as binary64, spelling out NaNs: sign and payload stay, and they are quiet.
func widened(f16 code: UInt16) -> Double {
  let sign = UInt64(code >> 15) << 63
  let fraction = UInt64(code & 0x3ff)
  let exponent = Int(code >> 10 & 0x1f)
  if exponent == 31 {
    let quiet: UInt64 = fraction == 0 ? 0 : 1 << 51
    return Double(bitPattern: sign | 0x7ff << 52 | quiet | fraction << 42)
  }
  let magnitude =
    exponent == 0
    ? Double(fraction) * 0x1p-24
    : Double(sign: .plus, exponent: exponent - 25, significand: Double(fraction + 1024))
  return sign == 0 ? magnitude : -magnitude
}

func widened(bf16 code: UInt16) -> Double { widened(f32: UInt32(code) << 16) }

func widened(f32 code: UInt32) -> Double {
  let value = Float(bitPattern: code)
  guard value.isNaN else { return Double(value) }
  return Double(
    bitPattern: UInt64(code >> 31) << 63 | 0x7ff8 << 48 | UInt64(code & 0x7f_ffff) << 29)
}
