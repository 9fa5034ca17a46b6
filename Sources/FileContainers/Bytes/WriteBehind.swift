/// What was written to a file since the system was last asked to take it to the disk.
///
/// Asking goes through all of a file's pages: for each of hundreds of thousands of small tensors that would take longer than writing them.
struct WriteBehind {
  /// So many bytes are worth asking for.
  static let standardByteCount = 1 << 20

  private let dueByteCount: Int
  private var byteCount = 0
  private var range: Range<Int>?

  init(dueByteCount: Int = Self.standardByteCount) { self.dueByteCount = dueByteCount }

  /// Adds what was written.
  ///
  /// - Returns: all that is to go to the disk now, if it is enough; it is forgotten here.
  mutating func add(_ written: Range<Int>) -> Range<Int>? {
    byteCount += written.count
    let all =
      range.map {
        min($0.lowerBound, written.lowerBound)..<max($0.upperBound, written.upperBound)
      } ?? written
    guard byteCount >= dueByteCount else {
      range = all
      return nil
    }
    (byteCount, range) = (0, nil)
    return all
  }
}
