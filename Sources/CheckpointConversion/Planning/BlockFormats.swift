import CheckpointFormats
import TensorModel

extension Planner {
  /// What a format without blocks says of tensors that are in some.
  ///
  /// - Parameters:
  ///   - tensors: names and dtypes as they would be written.
  ///   - format: the format's name.
  /// - Throws: `unsupported` with the first of them.
  static func requireNoBlocks(
    _ tensors: some Sequence<(name: String, dtype: DType)>, in format: String
  ) throws(CheckpointError) {
    for (name, dtype) in tensors where dtype.isBlockQuantized {
      throw CheckpointError(
        .unsupported, "\(format) has no block formats", tensor: name, found: dtype.rawValue,
        hint:
          "name a dtype for the values: --dtype f16, bf16 or f32; a store keeps the blocks: --to store"
      )
    }
  }
}
