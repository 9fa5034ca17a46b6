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

extension TensorExpression {
  /// The blocks whose values these are, as far as none is computed.
  ///
  /// Blocks that stand transposed in a model are read as F32, which has all of their values; transposed back, they are the same blocks.
  ///
  /// - Parameter stored: the type of a stored tensor, nil if there is none of that name.
  /// - Returns: the blocks and their dtype; nil for anything else.
  func uncastBlocks(
    _ stored: (String) -> TensorType?
  ) -> (expression: TensorExpression, dtype: DType)? {
    guard case .cast(let blocks, .f32) = self, let type = try? blocks.type(stored: stored),
      type.dtype.isBlockQuantized
    else { return nil }
    return (blocks, type.dtype)
  }

  /// Whether some of its values come from blocks, given the types of stored tensors.
  func readsBlocks(_ stored: (String) -> TensorType?) -> Bool {
    var pending = [self]
    while let next = pending.popLast() {
      switch next {
      case .blocks: return true
      case .stored(let name):
        if stored(name)?.dtype.isBlockQuantized == true { return true }
      default: pending += next.operands
      }
    }
    return false
  }
}
