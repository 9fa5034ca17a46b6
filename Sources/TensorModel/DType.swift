/// The element type of a tensor, named as safetensors 0.8 names it.
///
/// Elements smaller than a byte are packed: two `F4` or four 6-bit floats share one block of whole bytes.
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

  /// Elements in the smallest run that fills whole bytes.
  public var blockElementCount: Int {
    switch self {
    case .f4: 2
    case .f6e2m3, .f6e3m2: 4
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
    }
  }

  /// Bits of one element; safetensors orders tensors in a file by it, widest first.
  public var bitsPerElement: Int { blockByteCount * 8 / blockElementCount }

  /// Whether `--dtype` may change it: the four float types that hold weights without a scale.
  public var isCastable: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16: true
    default: false
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
