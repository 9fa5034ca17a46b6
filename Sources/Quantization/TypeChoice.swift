public import TensorModel

/// Which type a tensor gets, and why.
public struct TypeChoice: Hashable, Sendable {
  /// The type.
  public let type: WeightType
  /// What it would be if its rows filled blocks of that; the same as `type` if they do.
  public let wanted: WeightType
  /// Why that was wanted.
  public let reason: Reason

  /// Why a tensor gets its type.
  public enum Reason: String, Hashable, Sendable, Codable {
    /// It isn't quantized: vectors, norms, positions.
    case unquantized
    /// It is what most weights become.
    case scheme
    /// The scheme has more bits, or fewer, for tensors of this kind or layer.
    case rule
    /// It makes the logits.
    case head
    /// `--tensor-type` or `--output-type` says so.
    case requested
  }

  /// A choice.
  public init(_ type: WeightType, wanted: WeightType, _ reason: Reason) {
    self.type = type
    self.wanted = wanted
    self.reason = reason
  }

  /// A tensor that isn't quantized, whatever dtype it has.
  public static func unquantized(_ dtype: DType) -> TypeChoice {
    TypeChoice(.dtype(dtype), wanted: .dtype(dtype), .unquantized)
  }

  /// The dtype, where it is a tensor of one; nil for formats of several.
  public var dtype: DType? { if case .dtype(let dtype) = type { dtype } else { nil } }

  /// Whether another type was wanted.
  public var isSubstitution: Bool { type != wanted }
}

extension DType {
  /// The type itself if rows of so many columns fill its blocks, else what llama.cpp's quantization takes instead (llama-quant.cpp,
  /// `tensor_type_fallback`).
  public func fitting(columns: Int) -> DType {
    if columns.isMultiple(of: blockElementCount) { return self }
    let smaller: DType =
      switch self {
      case .q2K, .q3K: .q4_0
      case .q4K: .q5_0
      case .q5K: .q5_1
      case .q6K: .q8_0
      case .iq4XS: .iq4NL
      default: .f16
      }
    return columns.isMultiple(of: smaller.blockElementCount) ? smaller : .f16
  }
}
