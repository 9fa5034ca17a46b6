// What is written of compressed-tensors' formats: those that vLLM has kernels for and transformers loads.

extension PackedFormat {
  /// Formats of compressed-tensors, most bits first.
  public static let compressedTensors: [PackedFormat] = [
    compressed("w8a16-channel", .symmetric, bits: 8, in: .i32),
    compressed("w8a16-g128", .symmetric, bits: 8, groupSize: 128, in: .i32),
    compressed("w8a8", .symmetric, bits: 8, in: .i8),
    compressed("fp8", .fp8, bits: 8, in: .f8e4m3),
    compressed("fp8-block", .fp8, bits: 8, groupSize: 128, rowCount: 128, in: .f8e4m3),
    compressed("mxfp8a16", .mxfp8, bits: 8, groupSize: 32, in: .f8e4m3),
    compressed("w4a16-channel", .symmetric, bits: 4, in: .i32),
    compressed("w4a16-g128", .symmetric, bits: 4, groupSize: 128, in: .i32),
    compressed("w4a16-g32", .symmetric, bits: 4, groupSize: 32, in: .i32),
    compressed("nvfp4a16", .nvfp4, bits: 4, groupSize: 16, in: .u8),
    compressed("mxfp4a16", .mxfp4, bits: 4, groupSize: 32, in: .u8),
  ]

  private static func compressed(
    _ name: String, _ coding: Coding, bits: Int, groupSize: Int? = nil, rowCount: Int = 1,
    in codes: DType
  ) -> PackedFormat {
    PackedFormat(
      name, .compressedTensors, coding, bits: bits, groupSize: groupSize, rowCount: rowCount,
      in: codes)
  }
}
