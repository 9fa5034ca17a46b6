import CTensorKernels
import Foundation
import Synchronization
public import TensorModel

/// How a tensor's values are distributed.
///
/// Sums are f64 in a fixed order, so the same on every machine.
public struct TensorStatistics: Hashable, Sendable, Encodable {
  /// The smallest finite value; nil if there is none.
  public let minimum: Double?
  /// The largest finite value; nil if there is none.
  public let maximum: Double?
  /// The mean of the finite values; nil if there is none, or it is beyond a double's range.
  public let mean: Double?
  /// The standard deviation of the finite values (of the population); nil if there is none, or it is beyond
  /// a double's range.
  public let standardDeviation: Double?
  /// Values equal to zero, negative zero too.
  public let zeroCount: Int
  /// Values that aren't numbers.
  public let nanCount: Int
  /// Infinite values of both signs.
  public let infinityCount: Int
  /// Which narrower dtypes hold the values; nil unless the dtype is castable.
  public let effectivePrecision: EffectivePrecision?

  private enum CodingKeys: String, CodingKey {
    case minimum, maximum, mean, standardDeviation, zeroCount, nanCount, infinityCount,
      effectivePrecision, reason
  }

  /// Writes what there is no number for as null, with the reason.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(minimum, forKey: .minimum)
    try container.encode(maximum, forKey: .maximum)
    try container.encode(mean, forKey: .mean)
    try container.encode(standardDeviation, forKey: .standardDeviation)
    try container.encode(zeroCount, forKey: .zeroCount)
    try container.encode(nanCount, forKey: .nanCount)
    try container.encode(infinityCount, forKey: .infinityCount)
    try container.encodeIfPresent(effectivePrecision, forKey: .effectivePrecision)
    if minimum == nil {
      try container.encode("no value is finite", forKey: .reason)
    } else if mean == nil || standardDeviation == nil {
      try container.encode("beyond the range of doubles", forKey: .reason)
    }
  }

  init(_ values: wb_statistics, _ precision: EffectivePrecision?) {
    let count = Double(values.finite_count)
    let isEmpty = values.finite_count == 0
    minimum = isEmpty ? nil : values.minimum
    maximum = isEmpty ? nil : values.maximum
    let distance = values.sum / count
    mean = isEmpty ? nil : Self.rounded(values.shift + distance)
    let variance = values.sum_of_squares / count - distance * distance
    // Squares of values beyond 1e154 overflow, those of differences below 1e-162 vanish; rounding can make a variance of 0 slightly negative.
    let isLost = !variance.isFinite || variance == 0 && values.minimum != values.maximum
    standardDeviation = isEmpty || isLost ? nil : Self.rounded(max(0, variance).squareRoot())
    zeroCount = Int(values.zero_count)
    nanCount = Int(values.nan_count)
    infinityCount = Int(values.positive_infinity_count + values.negative_infinity_count)
    effectivePrecision = precision
  }

  /// Nine significant digits: the last bits of a sum depend on how the tensor was cut into slabs.
  ///
  /// Nil for moments beyond a double's range.
  private static func rounded(_ value: Double) -> Double? {
    guard value.isFinite else { return nil }
    if value == 0 { return 0 }
    let scale = pow(10, 8 - floor(log10(abs(value))))
    return scale.isFinite && scale > 0 ? (value * scale).rounded() / scale : value
  }
}

/// Collects the statistics of tensors as they are evaluated.
public final class StatisticsCollector: Sendable {
  private let dtypes: [DType]
  private let running: Mutex<[Int: Running]>

  private struct Running {
    var values = wb_statistics()
    var losses = wb_cast_losses()

    init() { wb_statistics_begin(&values) }
  }

  /// A collector for stored tensors, in the order of the tasks.
  public init(_ dtypes: [DType]) {
    self.dtypes = dtypes
    running = Mutex([:])
  }

  /// Takes in the next bytes of a tensor; to be called in row order.
  public func update(_ slab: EvaluatedSlab) {
    let dtype = dtypes[slab.index]
    guard let type = dtype.statisticsType, let base = slab.bytes.baseAddress else { return }
    var state = running.withLock { $0[slab.index] } ?? Running()
    let count = slab.bytes.count / dtype.blockByteCount
    wb_statistics_add(type, base, count, &state.values)
    if let float = dtype.kernelType { wb_cast_losses_add(float, base, count, &state.losses) }
    running.withLock { [state] in $0[slab.index] = state }
  }

  /// The statistics of a tensor; nil for dtypes whose values are not numbers on their own (C64, packed floats).
  public func statistics(of task: Int) -> TensorStatistics? {
    let dtype = dtypes[task]
    return running.withLock { $0[task] }.map {
      TensorStatistics(
        $0.values, dtype.isCastable ? EffectivePrecision(dtype, $0.losses) : nil)
    }
  }
}

extension DType {
  /// How the kernels that look at single elements call it; nil for dtypes whose values aren't numbers on their own.
  var statisticsType: wb_stat_type? {
    switch self {
    case .f64: WB_STAT_F64
    case .f32: WB_STAT_F32
    case .f16: WB_STAT_F16
    case .bf16: WB_STAT_BF16
    case .i8: WB_STAT_I8
    case .i16: WB_STAT_I16
    case .i32: WB_STAT_I32
    case .i64: WB_STAT_I64
    case .u8: WB_STAT_U8
    case .u16: WB_STAT_U16
    case .u32: WB_STAT_U32
    case .u64: WB_STAT_U64
    case .bool: WB_STAT_BOOL
    case .f8e4m3: WB_STAT_F8_E4M3
    case .f8e5m2: WB_STAT_F8_E5M2
    case .f8e4m3fnuz: WB_STAT_F8_E4M3FNUZ
    case .f8e5m2fnuz: WB_STAT_F8_E5M2FNUZ
    case .f8e8m0: WB_STAT_F8_E8M0
    default: nil
    }
  }
}
