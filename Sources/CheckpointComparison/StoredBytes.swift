/// How many of the bytes that tensors are stored in stand for the evaluated ones, so that progress counts what was announced.
struct StoredBytes: Sendable {
  /// Bytes of the tensors, in the dtypes that they are stored in.
  let stored: Int
  /// Bytes of what is evaluated.
  let evaluated: Int

  /// As many of them as stand for `count` evaluated bytes from an offset on.
  func count(_ offset: Int, _ count: Int) -> Int { before(offset + count) - before(offset) }

  private func before(_ offset: Int) -> Int {
    evaluated == 0 ? 0 : Int((Double(stored) * (Double(offset) / Double(evaluated))).rounded())
  }
}
