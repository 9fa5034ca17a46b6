import CTensorKernels
public import TensorModel

/// What a cast to a dtype would do to values, rounding to nearest even.
///
/// NaNs stay NaNs and count for nothing.
public struct CastLoss: Hashable, Sendable, Encodable {
  /// The dtype after the cast.
  public let dtype: DType
  /// Values that would change; all those below are among them.
  public private(set) var changedCount = 0
  /// Finite values that would become infinite.
  public private(set) var overflowCount = 0
  /// Values other than zero that would become zero.
  public private(set) var flushedCount = 0
  /// Values that would change and become subnormal numbers, with fewer significant bits than the dtype has elsewhere.
  public private(set) var subnormalCount = 0

  /// Of no values.
  public init(_ dtype: DType) { self.dtype = dtype }

  init(_ dtype: DType, _ counts: wb_cast_loss) {
    self.dtype = dtype
    changedCount = Int(counts.changed_count)
    overflowCount = Int(counts.overflow_count)
    flushedCount = Int(counts.flushed_count)
    subnormalCount = Int(counts.subnormal_count)
  }

  /// Takes in what the same cast would do to other values.
  public mutating func merge(_ other: CastLoss) {
    changedCount += other.changedCount
    overflowCount += other.overflowCount
    flushedCount += other.flushedCount
    subnormalCount += other.subnormalCount
  }

  /// Whether the dtype holds every value.
  public var isExact: Bool { changedCount == 0 }
}

/// How much of a float dtype values make use of: which narrower dtypes hold all of them.
///
/// F32 that was F16 once, as published weights often are, is F16 still.
public struct EffectivePrecision: Hashable, Sendable, Encodable {
  /// The dtypes of the smallest size that hold every value, such as `[F16]`; the own one alone if there is no other.
  ///
  /// Two, F16 and BF16, where either does.
  public let narrowest: [DType]
  /// What casts would do to the values, widest dtype first; of dtypes that don't hold every value of the own one.
  public let casts: [CastLoss]

  /// For values of a dtype.
  ///
  /// - Parameters:
  ///   - dtype: the own one, castable.
  ///   - casts: to all of its `lossyCasts`.
  public init(_ dtype: DType, _ casts: [CastLoss]) {
    self.casts = casts
    narrowest = DType.narrowest { target in
      target == dtype || casts.contains { $0.dtype == target && $0.isExact }
    }
  }

  init(_ dtype: DType, _ losses: wb_cast_losses) {
    self.init(
      dtype,
      dtype.lossyCasts.map { target in
        switch target {
        case .f32: CastLoss(target, losses.to_f32)
        case .f16: CastLoss(target, losses.to_f16)
        default: CastLoss(target, losses.to_bf16)
        }
      })
  }
}

extension DType {
  /// The castable dtypes that don't hold every value of this one, widest first; none for dtypes that aren't castable.
  public var lossyCasts: [DType] {
    switch self {
    case .f64: [.f32, .f16, .bf16]
    case .f32: [.f16, .bf16]
    case .f16: [.bf16]
    case .bf16: [.f16]
    default: []
    }
  }

  /// The castable dtypes of the smallest size for which something holds: one, or F16 and BF16; empty if it holds for none.
  public static func narrowest(where holds: (DType) -> Bool) -> [DType] {
    for dtypes: [DType] in [[.f16, .bf16], [.f32], [.f64]] {
      let holding = dtypes.filter(holds)
      if !holding.isEmpty { return holding }
    }
    return []
  }
}
