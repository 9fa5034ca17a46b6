public import TensorModel

/// What most weights of a model become, and which others get more bits: `--scheme`.
///
/// Named as llama-quantize names its file types.
public enum QuantizationScheme: String, CaseIterable, Hashable, Sendable, Codable {
  /// 32-bit floats.
  case f32
  /// 16-bit floats.
  case f16
  /// The upper halves of 32-bit floats.
  case bf16
  /// Blocks of 8 bits.
  case q8_0
  /// Blocks of 4 bits with a scale.
  case q4_0
  /// Blocks of 4 bits with a scale and a minimum.
  case q4_1
  /// Blocks of 5 bits with a scale.
  case q5_0
  /// Blocks of 5 bits with a scale and a minimum.
  case q5_1
  /// 2 bits, some tensors 3 or 4.
  case q2K = "q2_k"
  /// 2 bits; needs importances.
  case q2KS = "q2_k_s"
  /// 3 bits.
  case q3KS = "q3_k_s"
  /// 3 bits, some tensors 4 or 5.
  case q3KM = "q3_k_m"
  /// 3 bits, some tensors 5.
  case q3KL = "q3_k_l"
  /// 4 bits, the first layers' values 5.
  case q4KS = "q4_k_s"
  /// 4 bits, half of the attention values and of the feed-forward outputs 6.
  case q4KM = "q4_k_m"
  /// 5 bits.
  case q5KS = "q5_k_s"
  /// 5 bits, half of the attention values and of the feed-forward outputs 6.
  case q5KM = "q5_k_m"
  /// 6 bits.
  case q6K = "q6_k"
  /// 4 bits, places in a table of 16 values.
  case iq4NL = "iq4_nl"
  /// The same with scales of 6 bits.
  case iq4XS = "iq4_xs"

  /// The type of most weights.
  public var type: DType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8_0: .q8_0
    case .q4_0: .q4_0
    case .q4_1: .q4_1
    case .q5_0: .q5_0
    case .q5_1: .q5_1
    case .q2K, .q2KS: .q2K
    case .q3KS, .q3KM, .q3KL: .q3K
    case .q4KS, .q4KM: .q4K
    case .q5KS, .q5KM: .q5K
    case .q6K: .q6K
    case .iq4NL: .iq4NL
    case .iq4XS: .iq4XS
    }
  }

  /// `general.file_type`, llama.cpp's number (llama.h, `llama_ftype`).
  public var fileType: Int {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    case .q2K: 10
    case .q3KS: 11
    case .q3KM: 12
    case .q3KL: 13
    case .q4KS: 14
    case .q4KM: 15
    case .q5KS: 16
    case .q5KM: 17
    case .q6K: 18
    case .q2KS: 21
    case .iq4NL: 25
    case .iq4XS: 30
    case .bf16: 32
    }
  }
}
