/// The element type of a tensor, named as safetensors 0.8 names it, or as ggml names its block formats.
///
/// Elements smaller than a byte are packed: two `F4` or four 6-bit floats share one block of whole bytes. In a block format some elements of a row share
/// scales that stand in the block (https://github.com/ggml-org/ggml, ggml-common.h).
public enum DType: String, CaseIterable, Codable, Hashable, Sendable {
  /// One byte per value, 0 or 1.
  case bool = "BOOL"
  /// Unsigned integer of 8 bits.
  case u8 = "U8"
  /// Signed integer of 8 bits.
  case i8 = "I8"
  /// Unsigned integer of 16 bits.
  case u16 = "U16"
  /// Signed integer of 16 bits.
  case i16 = "I16"
  /// Unsigned integer of 32 bits.
  case u32 = "U32"
  /// Signed integer of 32 bits.
  case i32 = "I32"
  /// Unsigned integer of 64 bits.
  case u64 = "U64"
  /// Signed integer of 64 bits.
  case i64 = "I64"
  /// IEEE 754 binary16.
  case f16 = "F16"
  /// The upper half of a binary32: 1 sign, 8 exponent, 7 fraction bits.
  case bf16 = "BF16"
  /// IEEE 754 binary32.
  case f32 = "F32"
  /// IEEE 754 binary64.
  case f64 = "F64"
  /// Two binary32, real part first.
  case c64 = "C64"
  /// OCP MX E2M1, two to a byte.
  case f4 = "F4"
  /// OCP MX 6-bit float, 2 exponent and 3 fraction bits, four to three bytes.
  case f6e2m3 = "F6_E2M3"
  /// OCP MX 6-bit float, 3 exponent and 2 fraction bits, four to three bytes.
  case f6e3m2 = "F6_E3M2"
  /// OCP 8-bit float, 4 exponent and 3 fraction bits, no infinities.
  case f8e4m3 = "F8_E4M3"
  /// OCP 8-bit float, 5 exponent and 2 fraction bits.
  case f8e5m2 = "F8_E5M2"
  /// OCP MX scale: a power of two.
  case f8e8m0 = "F8_E8M0"
  /// E4M3 with one NaN, no negative zero and no infinities.
  case f8e4m3fnuz = "F8_E4M3FNUZ"
  /// E5M2 with one NaN, no negative zero and no infinities.
  case f8e5m2fnuz = "F8_E5M2FNUZ"
  /// 32 integers of 8 bits and a scale.
  case q8_0 = "Q8_0"
  /// 32 integers of 4 bits and a scale.
  case q4_0 = "Q4_0"
  /// 32 integers of 4 bits, a scale and a minimum.
  case q4_1 = "Q4_1"
  /// 32 integers of 5 bits and a scale.
  case q5_0 = "Q5_0"
  /// 32 integers of 5 bits, a scale and a minimum.
  case q5_1 = "Q5_1"
  /// 16 × 16 integers of 2 bits, scales and minima of 4 bits.
  case q2K = "Q2_K"
  /// 16 × 16 integers of 3 bits, scales of 6 bits.
  case q3K = "Q3_K"
  /// 8 × 32 integers of 4 bits, scales and minima of 6 bits.
  case q4K = "Q4_K"
  /// 8 × 32 integers of 5 bits, scales and minima of 6 bits.
  case q5K = "Q5_K"
  /// 16 × 16 integers of 6 bits, scales of 8 bits.
  case q6K = "Q6_K"
  /// 32 places in a table of 16 values, and a scale.
  case iq4NL = "IQ4_NL"
  /// 8 × 32 places in that table, scales of 6 bits.
  case iq4XS = "IQ4_XS"
  /// 32 floats of 4 bits and a power of two.
  case mxfp4 = "MXFP4"
  /// 4 × 16 floats of 4 bits, scales of 8-bit floats.
  case nvfp4 = "NVFP4"

  /// Elements in the smallest run that fills whole bytes.
  public var blockElementCount: Int {
    switch self {
    case .f4: 2
    case .f6e2m3, .f6e3m2: 4
    case .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .iq4NL, .mxfp4: 32
    case .nvfp4: 64
    case .q2K, .q3K, .q4K, .q5K, .q6K, .iq4XS: 256
    default: 1
    }
  }

  /// Bytes of one block of `blockElementCount` elements.
  public var blockByteCount: Int {
    switch self {
    case .bool, .u8, .i8, .f4, .f8e4m3, .f8e5m2, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 1
    case .u16, .i16, .f16, .bf16: 2
    case .f6e2m3, .f6e3m2: 3
    case .u32, .i32, .f32: 4
    case .u64, .i64, .f64, .c64: 8
    case .mxfp4: 17
    case .q4_0, .iq4NL: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q8_0: 34
    case .nvfp4: 36
    case .q2K: 84
    case .q3K: 110
    case .iq4XS: 136
    case .q4K: 144
    case .q5K: 176
    case .q6K: 210
    }
  }

  /// Whether elements share scales: rows then consist of whole blocks.
  public var isBlockQuantized: Bool { blockElementCount >= 32 }

  /// Bits of one element, rounded down; safetensors orders tensors in a file by it, widest first.
  public var bitsPerElement: Int { blockByteCount * 8 / blockElementCount }

  /// Whether `--dtype` may change it: the four float types that hold weights without a scale.
  public var isCastable: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16: true
    default: false
    }
  }

  /// Whether `--dtype` gives its values another dtype: those four, and blocks, which stand for values.
  public var hasFloatValues: Bool { isCastable || isBlockQuantized }

  /// How options spell a dtype, or anything else that stands where one may: `f16` for `F16`, `fp16`, `float16` and `half`.
  ///
  /// - Parameter written: what was written.
  /// - Returns: it in lower case; for other names of a float dtype the one that is used here.
  public static func optionName(_ written: String) -> String {
    let name = written.lowercased()
    return switch name {
    case "fp16", "float16", "half": "f16"
    case "bfloat16": "bf16"
    case "fp32", "float32", "float": "f32"
    default: name
    }
  }

  /// PyTorch's name for it, as `config.json` spells it (`float16`), where a configuration can say it.
  public var torchName: String? {
    switch self {
    case .f64: "float64"
    case .f32: "float32"
    case .f16: "float16"
    case .bf16: "bfloat16"
    default: nil
    }
  }

  /// The bytes that `elementCount` elements take, or nil where they don't fill whole blocks or overflow.
  public func byteCount(elementCount: Int) -> Int? {
    let (blocks, rest) = elementCount.quotientAndRemainder(dividingBy: blockElementCount)
    let (bytes, overflow) = blocks.multipliedReportingOverflow(by: blockByteCount)
    return rest == 0 && !overflow ? bytes : nil
  }
}
