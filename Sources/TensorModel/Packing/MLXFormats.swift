// What MLX's quantization has (mx.quantize, MLX 0.32.4): `affine` in several widths, and floats of 4 and 8 bits in one each.

extension PackedFormat {
  /// MLX's formats, most bits first.
  public static let mlx: [PackedFormat] =
    [8, 6, 5, 4, 3, 2].flatMap { bits in
      [32, 64, 128].map { mlx("q\(bits)-g\($0)", .affine, bits: bits, groupSize: $0) }
    } + [
      mlx("mxfp8", .mxfp8, bits: 8, groupSize: 32),
      mlx("mxfp4", .mxfp4, bits: 4, groupSize: 32),
      mlx("nvfp4", .nvfp4, bits: 4, groupSize: 16),
    ]

  private static func mlx(
    _ name: String, _ coding: Coding, bits: Int, groupSize: Int
  ) -> PackedFormat {
    PackedFormat("mlx-\(name)", .mlx, coding, bits: bits, groupSize: groupSize, in: .u32)
  }
}
