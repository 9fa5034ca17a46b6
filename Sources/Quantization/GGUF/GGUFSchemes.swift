import TensorModel

// The file types of llama-quantize, under its names.

extension QuantizationContainer {
  /// GGUF, for llama.cpp: blocks that hold their scales.
  static let gguf = QuantizationContainer(
    format: "gguf", heedsImportance: true,
    types: DType.allCases.filter { ($0.isBlockQuantized || $0.isCastable) && $0 != .f64 }
      .map { .dtype($0) })
}

extension QuantizationScheme {
  /// 32-bit floats.
  public static let f32 = gguf("f32", .f32, 0)
  /// 16-bit floats.
  public static let f16 = gguf("f16", .f16, 1)
  /// The upper halves of 32-bit floats.
  public static let bf16 = gguf("bf16", .bf16, 32)
  /// Blocks of 8 bits.
  public static let q8_0 = gguf("q8_0", .q8_0, 7)
  /// Blocks of 4 bits with a scale.
  public static let q4_0 = gguf("q4_0", .q4_0, 2)
  /// Blocks of 4 bits with a scale and a minimum.
  public static let q4_1 = gguf("q4_1", .q4_1, 3)
  /// Blocks of 5 bits with a scale.
  public static let q5_0 = gguf("q5_0", .q5_0, 8)
  /// Blocks of 5 bits with a scale and a minimum.
  public static let q5_1 = gguf("q5_1", .q5_1, 9)
  /// 2 bits, some tensors 3 or 4.
  public static let q2K = gguf("q2_k", .q2K, 10)
  /// 2 bits; needs importances.
  public static let q2KS = gguf("q2_k_s", .q2K, 21)
  /// 3 bits.
  public static let q3KS = gguf("q3_k_s", .q3K, 11)
  /// 3 bits, some tensors 4 or 5.
  public static let q3KM = gguf("q3_k_m", .q3K, 12)
  /// 3 bits, some tensors 5.
  public static let q3KL = gguf("q3_k_l", .q3K, 13)
  /// 4 bits, the first layers' values 5.
  public static let q4KS = gguf("q4_k_s", .q4K, 14)
  /// 4 bits, half of the attention values and of the feed-forward outputs 6.
  public static let q4KM = gguf("q4_k_m", .q4K, 15)
  /// 5 bits.
  public static let q5KS = gguf("q5_k_s", .q5K, 16)
  /// 5 bits, half of the attention values and of the feed-forward outputs 6.
  public static let q5KM = gguf("q5_k_m", .q5K, 17)
  /// 6 bits.
  public static let q6K = gguf("q6_k", .q6K, 18)
  /// 4 bits, places in a table of 16 values.
  public static let iq4NL = gguf("iq4_nl", .iq4NL, 25)
  /// The same with scales of 6 bits.
  public static let iq4XS = gguf("iq4_xs", .iq4XS, 30)

  static let ggufFamilies = [
    SchemeFamily([q8_0, q6K], "nearly lossless: 8.5 and 6.6 bits per weight"),
    SchemeFamily([q5KM, q5KS, q5_1, q5_0], "5.5 to 6 bits"),
    SchemeFamily(
      [q4KM, q4KS, q4_1, q4_0, iq4NL, iq4XS], "4.25 to 5 bits; q4_k_m is the usual choice"),
    SchemeFamily([q3KL, q3KM, q3KS, q2K], "2.6 to 4 bits; better with --imatrix"),
    SchemeFamily([q2KS], "needs it"),
    SchemeFamily([f32, f16, bf16], "floats"),
  ]

  private static func gguf(_ name: String, _ type: DType, _ fileType: Int) -> QuantizationScheme {
    QuantizationScheme(name, .gguf, .dtype(type), fileType: fileType)
  }
}
