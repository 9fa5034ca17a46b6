import CTensorKernels
import Foundation

/// The variants other than the portable one that this processor runs.
let fastLevels = [WB_AVX2, WB_AVX512, WB_NEON].filter { wb_level_available($0) }

let floatTypes = [WB_F64, WB_F32, WB_F16, WB_BF16]

/// Every pair of float types.
let typePairs = floatTypes.flatMap { from in floatTypes.map { (from, $0) } }

func byteCount(_ type: wb_float_type) -> Int {
  switch type {
  case WB_F64: 8
  case WB_F32: 4
  default: 2
  }
}

/// What a cast gave.
struct Outcome: Equatable {
  var bytes: [UInt8]
  var rounded: UInt64
  /// The bits, so that nothing but the same number is equal.
  var error: UInt64
  var overflows: UInt64
  var firstOverflow: UInt64
  var firstValue: UInt64

  init(_ bytes: [UInt8], _ report: wb_cast_report) {
    self.bytes = bytes
    rounded = report.rounded_count
    error = report.largest_error_ulp.bitPattern
    overflows = report.overflow_count
    firstOverflow = report.first_overflow
    firstValue = report.first_overflow_value.bitPattern
  }

  func matches(_ other: Outcome) -> Bool {
    isSame(bytes, other.bytes) && rounded == other.rounded && error == other.error
      && overflows == other.overflows && firstOverflow == other.firstOverflow
      && firstValue == other.firstValue
  }
}

/// `==` in one call of C; the standard library's is slow without optimisation.
func isSame<Element: BitwiseCopyable>(_ left: [Element], _ right: [Element]) -> Bool {
  left.withUnsafeBytes { left in
    right.withUnsafeBytes { right in
      guard let first = left.baseAddress, let second = right.baseAddress else {
        return left.count == right.count
      }
      return left.count == right.count && memcmp(first, second, left.count) == 0
    }
  }
}

/// Casts all elements with one variant; what surrounds the result must stay as it was.
func cast<Element: BitwiseCopyable>(
  _ level: wb_level, _ from: wb_float_type, _ to: wb_float_type, _ values: [Element],
  skipping skipped: Int = 0
) -> Outcome {
  let count = values.count - skipped
  let size = byteCount(to)
  // The result begins `skipped` elements after an aligned address, too.
  var bytes = [UInt8](repeating: 0xa5, count: (skipped + count) * size + 64)
  var report = wb_cast_report()
  values.withUnsafeBytes { source in
    bytes.withUnsafeMutableBytes { target in
      if let source = source.baseAddress, let target = target.baseAddress {
        wb_cast_at(
          level, from, to, source + skipped * byteCount(from), target + skipped * size, count,
          &report)
      }
    }
  }
  precondition(bytes.prefix(skipped * size).allSatisfy { $0 == 0xa5 })
  precondition(bytes.suffix(64).allSatisfy { $0 == 0xa5 })
  return Outcome(Array(bytes[skipped * size..<(skipped + count) * size]), report)
}

/// Elements of an outcome.
func elements<Element: BitwiseCopyable>(_ outcome: Outcome, as type: Element.Type) -> [Element] {
  outcome.bytes.withUnsafeBytes { Array($0.bindMemory(to: Element.self)) }
}

extension wb_level {
  /// For messages.
  var name: String {
    switch self {
    case WB_PORTABLE: "portable"
    case WB_AVX2: "AVX2"
    case WB_AVX512: "AVX-512"
    default: "NEON"
    }
  }
}
