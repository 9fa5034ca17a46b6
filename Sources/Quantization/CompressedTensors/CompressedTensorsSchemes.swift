import TensorModel

// A scheme for each of compressed-tensors' formats: all linear layers but the head and what chooses experts.

extension QuantizationContainer {
  /// compressed-tensors: safetensors with codes and scales in tensors of their own, for vLLM and transformers.
  static let compressedTensors = QuantizationContainer(
    title: "compressed-tensors", format: "safetensors", heedsImportance: false,
    types: PackedFormat.compressedTensors.map { .packed($0) }
      + [.dtype(.f32), .dtype(.f16), .dtype(.bf16)])
}

extension QuantizationScheme {
  /// The schemes of compressed-tensors.
  static let compressedTensors = PackedFormat.compressedTensors.map {
    QuantizationScheme($0.name, .compressedTensors, .packed($0))
  }

  static let compressedTensorsFamilies = [
    family(.symmetric, "for vLLM: integers, by groups or rows"),
    family(.fp8, "for vLLM: floats of 8 bits"),
    SchemeFamily(
      compressedTensors.filter { !isOf(.symmetric, $0) && !isOf(.fp8, $0) },
      "for vLLM: floats of 8 and 4 bits in groups"),
  ]

  private static func family(_ coding: PackedFormat.Coding, _ summary: String) -> SchemeFamily {
    SchemeFamily(compressedTensors.filter { isOf(coding, $0) }, summary)
  }

  private static func isOf(_ coding: PackedFormat.Coding, _ scheme: QuantizationScheme) -> Bool {
    if case .packed(let format) = scheme.type { format.coding == coding } else { false }
  }
}
