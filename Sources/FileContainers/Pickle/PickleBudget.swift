public import TensorModel

/// Bytes of memory that may still be taken for what comes of a pickle.
public struct PickleBudget: Sendable {
  private var byteCount: Int

  /// A budget of so many bytes.
  public init(_ byteCount: Int) { self.byteCount = byteCount }

  /// Counts memory before it is used.
  ///
  /// - Throws: `malformed` if a pickle of that size has no need of so much.
  public mutating func charge(_ byteCount: Int) throws(CheckpointError) {
    self.byteCount -= byteCount
    guard self.byteCount >= 0 else {
      throw CheckpointError(
        .malformed, "a pickle with far more objects than a state dict of this file's size has")
    }
  }
}
