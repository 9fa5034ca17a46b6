/// What blocks of 32 weights in a row consist of, where codes are numbers: each part is a tensor of its own in other formats.
///
/// The blocks of a matrix `[…, 32 n]` have
///
/// - codes, U8 `[…, n, 4 · bits]`: numbers from 0 on, or floats of 4 bits, lowest bits first; those of Q8_0 are more by 128;
/// - scales, F16 `[…, n]`, of MXFP4 powers of two, U8;
/// - biases, F16 `[…, n]`, which are added (Q4_1, Q5_1).
///
/// The blocks themselves are ggml's (ggml-common.h).
public struct BlockParts: Hashable, Sendable {
  /// Of the blocks.
  public let dtype: DType
  /// Bits of a code.
  public let bits: Int
  /// The parts, in the order in which `TensorExpression.blocks` takes them.
  public let parts: [PackedFormat.Part]

  /// Of a block format; nil where codes aren't numbers, or scales have parts themselves.
  public init?(_ dtype: DType) {
    switch dtype {
    case .q4_0, .q4_1, .mxfp4: bits = 4
    case .q5_0, .q5_1: bits = 5
    case .q8_0: bits = 8
    default: return nil
    }
    self.dtype = dtype
    parts = [.q4_1, .q5_1].contains(dtype) ? [.codes, .scales, .biases] : [.codes, .scales]
  }

  /// Whether a code is a multiple of the scale.
  public var isOfIntegers: Bool { dtype != .mxfp4 }

  /// Whether a bias is added; otherwise half the codes' range stands for 0.
  public var hasBiases: Bool { parts.contains(.biases) }

  /// The element type of a part.
  func dtype(of part: PackedFormat.Part) -> DType {
    part == .codes || dtype == .mxfp4 ? .u8 : .f16
  }

  /// The extents of a part in each block.
  func extents(of part: PackedFormat.Part) -> [Int] {
    part == .codes ? [codeByteCount] : []
  }

  /// Bytes of a block's codes.
  public var codeByteCount: Int { dtype.blockElementCount * bits / 8 }

  /// How expressions spell that blocks are made.
  static func operation(_ dtype: DType) -> String { dtype.rawValue.lowercased() }

  /// All that there are, in the order of dtypes.
  static let all = DType.allCases.compactMap(BlockParts.init)
}
