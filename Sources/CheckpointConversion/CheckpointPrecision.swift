public import TensorEvaluation
public import TensorModel

/// Which dtypes would hold a checkpoint's weights exactly, and what casts would lose.
///
/// Only castable tensors (F64, F32, F16, BF16) take part; all others stay as they are.
public struct CheckpointPrecision: Hashable, Sendable, Encodable {
  /// Elements of the castable tensors.
  public let elementCount: Int
  /// The dtypes of the smallest size that hold the values of all castable tensors: one, or F16 and BF16 where either does.
  public let narrowest: [DType]
  /// Bytes of all tensors of the checkpoint if the castable ones had such a dtype.
  public let narrowestByteCount: Int
  /// What casts of all castable tensors would do; of dtypes that don't hold every value of all of them, widest first.
  public let casts: [CastLoss]
  /// The castable tensors by what they are and could be, the most bytes first.
  public let groups: [Group]

  /// Castable tensors of one dtype that the same dtypes hold exactly.
  public struct Group: Hashable, Sendable, Encodable {
    /// The dtype that they have.
    public let dtype: DType
    /// The dtypes of the smallest size that hold every value of each: one, or F16 and BF16.
    public let narrowest: [DType]
    /// How many there are.
    public internal(set) var tensorCount = 0
    /// Their bytes.
    public internal(set) var byteCount = 0

    /// Whether a dtype of fewer bytes would do.
    public var isNarrower: Bool {
      narrowest.contains { $0.blockByteCount < dtype.blockByteCount }
    }
  }

  /// Adds up tensors; nil if none is castable.
  ///
  /// - Parameter tensors: all of a checkpoint; those without statistics have no values.
  init?(_ tensors: [Inspection.Tensor]) {
    let castable = tensors.filter(\.dtype.isCastable)
    guard !castable.isEmpty else { return nil }
    elementCount = castable.reduce(0) { $0 + $1.shape.elementCount }
    var losses: [DType: CastLoss] = [:]
    var groups: [[DType]: Group] = [:]
    for tensor in castable {
      let precision =
        tensor.statistics?.effectivePrecision
        ?? EffectivePrecision(tensor.dtype, tensor.dtype.lossyCasts.map { CastLoss($0) })
      for loss in precision.casts { losses[loss.dtype, default: CastLoss(loss.dtype)].merge(loss) }
      let key = [tensor.dtype] + precision.narrowest
      var group =
        groups[key] ?? Group(dtype: tensor.dtype, narrowest: precision.narrowest)
      group.tensorCount += 1
      group.byteCount += tensor.byteCount
      groups[key] = group
    }
    casts = [DType.f32, .f16, .bf16].compactMap { losses[$0] }
    narrowest = DType.narrowest { losses[$0]?.isExact ?? true }
    let elementByteCount = narrowest.first?.blockByteCount ?? 0
    let others = tensors.reduce(0) { $0 + ($1.dtype.isCastable ? 0 : $1.byteCount) }
    narrowestByteCount = others + elementCount * elementByteCount
    self.groups = groups.values.sorted {
      ($1.byteCount, $0.dtype.rawValue, $0.narrowest.map(\.rawValue).joined())
        < ($0.byteCount, $1.dtype.rawValue, $1.narrowest.map(\.rawValue).joined())
    }
  }

  /// Such as `this F32 checkpoint is F16 inside`; nil unless all castable tensors fit into a dtype of fewer bytes together.
  public var verdict: String? {
    let storedByteCount = groups.reduce(0) { $0 + $1.byteCount }
    let elementByteCount = narrowest.first?.blockByteCount ?? 0
    guard elementCount * elementByteCount < storedByteCount else { return nil }
    let stored = Set(groups.map(\.dtype)).map(\.rawValue).sorted()
    let names = stored.joined(separator: " and ")
    return
      "this \(names) checkpoint is \(narrowest.map(\.rawValue).joined(separator: " or ")) inside"
  }

  /// The verdict as a finding.
  var finding: Finding? {
    verdict.map {
      Finding(
        .note, "effective-precision", "\($0): \(narrowestByteCount) bytes would hold it exactly")
    }
  }
}
