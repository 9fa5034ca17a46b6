import CTensorKernels
public import TensorModel

/// What casts and added constants did to a tensor's values.
public struct CastReport: Hashable, Sendable {
  /// Elements whose value changed.
  public private(set) var roundedCount = 0
  /// The largest error in units of the output dtype's spacing at the exact value; at most 0.5.
  ///
  /// Overflowed elements don't count.
  public private(set) var largestErrorUlp = 0.0
  /// Finite values that became infinite.
  public private(set) var overflowCount = 0

  /// How far blocks are from values; nil if none were made.
  public private(set) var quantization: QuantizationErrors?

  /// Nothing changed so far.
  public init() {}

  /// Takes in what happened to the part of the tensor that comes next.
  public mutating func merge(_ next: CastReport) {
    roundedCount += next.roundedCount
    largestErrorUlp = max(largestErrorUlp, next.largestErrorUlp)
    overflowCount += next.overflowCount
    if let errors = next.quantization { merge(errors) }
  }

  mutating func merge(_ errors: QuantizationErrors) {
    guard quantization != nil else {
      quantization = errors
      return
    }
    quantization?.merge(errors)
  }

  mutating func merge(_ kernel: wb_cast_report) {
    roundedCount += Int(kernel.rounded_count)
    largestErrorUlp = max(largestErrorUlp, kernel.largest_error_ulp)
    overflowCount += Int(kernel.overflow_count)
  }

  /// Whether every element kept its value.
  public var isExact: Bool { roundedCount == 0 && (quantization?.squaredError ?? 0) == 0 }
}

extension DType {
  /// A number rounded to the dtype, once; to F32 for dtypes that values aren't cast to.
  public func rounded(_ value: Float) -> Float {
    guard let type = kernelType, type == WB_F16 || type == WB_BF16 else { return value }
    var (value, narrow) = (value, UInt16(0))
    var report = wb_cast_report()
    wb_cast(WB_F32, type, &value, &narrow, 1, &report)
    wb_cast(type, WB_F32, &narrow, &value, 1, &report)
    return value
  }

  /// The kernels' name for a castable dtype.
  var kernelType: wb_float_type? {
    switch self {
    case .f64: WB_F64
    case .f32: WB_F32
    case .f16: WB_F16
    case .bf16: WB_BF16
    default: nil
    }
  }
}
