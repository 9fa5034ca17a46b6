import FileContainers
import TensorModel

/// Blocks of MXFP4 as gpt-oss has them, in models of other families: `NAME_blocks` U8 `[…, out, in / 32, 16]`, `NAME_scales` U8 `[…, out, in / 32]`, which
/// stand for the parameter `NAME`, turned.
enum MXFP4Blocks: QuantizedContainer {
  static let method = "mxfp4"
  static let summary = "MXFP4 blocks of gpt-oss"
  static let repacked = "as GGUF's MXFP4 and back, bit for bit"
  static let markers = ["_blocks", "_scales"]
  static let parts: [String] = []

  static func recognises(_ module: QuantizedModule, _ settings: QuantizationSettings) -> Bool {
    (module.tensor("_blocks") ?? module.tensor("_scales"))?.dtype == .u8
  }

  static func value(
    of module: QuantizedModule, _ settings: QuantizationSettings
  ) throws(CheckpointError) -> PackedValue {
    let codes = try module.part("_blocks")
    let scales = try module.part("_scales")
    // Says whether they fit each other.
    let blocks = try PackedValue.step([codes, scales]) { .blocks($0, .mxfp4) }
    let value = Self.values(codes.expression, scales.expression, blocks.type.shape)
    return try PackedValue(value, TensorType(.f32, blocks.type.shape)).transposed()
  }

  /// What codes and scales stand for, in F32.
  ///
  /// A negative zero is one, as it isn't in ggml's blocks.
  ///
  /// - Parameters:
  ///   - codes: as they are stored.
  ///   - scales: likewise.
  ///   - shape: of the result, with at least one extent.
  /// - Returns: the values.
  static func values(
    _ codes: TensorExpression, _ scales: TensorExpression, _ shape: Shape
  ) -> TensorExpression {
    let columns = shape.dimensions.last ?? 0
    let rows = shape.dimensions.dropLast().reduce(1, *)
    let width = DType.mxfp4.blockElementCount
    let matrix: Shape = [rows, columns]
    let factors = TensorExpression.decode(
      .reshape(scales, [rows, columns / width]), .e8m0, [rows, columns / width], axis: 1)
    let numbers = TensorExpression.decode(
      .reshape(codes, [rows, columns / 2]), .fp4, matrix, axis: 1)
    return TensorExpression.combine(
      .product, numbers, .spread(factors, matrix, block: [1, width])
    ).reshaped(shape, from: matrix)
  }
}
