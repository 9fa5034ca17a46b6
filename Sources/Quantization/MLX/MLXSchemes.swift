import TensorModel

// A scheme for each of MLX's formats: every matrix in it whose rows fill its groups.

extension QuantizationContainer {
  /// MLX: codes, scales and biases in tensors of their own, for mlx-lm.
  static let mlx = QuantizationContainer(
    format: "mlx", heedsImportance: false,
    types: PackedFormat.mlx.map { .packed($0) } + [.dtype(.f32), .dtype(.f16), .dtype(.bf16)])
}

extension QuantizationScheme {
  /// The schemes of MLX.
  static let mlx = PackedFormat.mlx.map {
    QuantizationScheme($0.name, .mlx, .packed($0))
  }

  static let mlxFamilies = [
    SchemeFamily(
      mlx.filter { $0.name.hasPrefix("mlx-q") }, names: "mlx-q{2,3,4,5,6,8}-g{32,64,128}",
      "for MLX: bits, weights of a group"),
    SchemeFamily(
      mlx.filter { !$0.name.hasPrefix("mlx-q") }, "for MLX: floats of 8 and 4 bits"),
  ]
}
