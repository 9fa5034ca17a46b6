import TensorModel

/// Small pieces of a file, most of them close behind each other: an archive can have a million headers, and a call for each takes long.
struct ZipWindow {
  private let region: FileRegion
  private var bytes: [UInt8] = []
  private var start = 0

  /// What is read at once where headers are far apart, and where they follow each other.
  private static let (single, several) = (1 << 10, 256 << 10)
  /// How far the next piece may be away to count as close.
  private static let closeness = 4 << 10

  /// Over an archive.
  init(_ region: FileRegion) { self.region = region }

  /// Some of the bytes.
  ///
  /// - Throws: `malformed` if they aren't within the file, `inputOutput`.
  mutating func bytes(at position: Int, count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
    let end = start + bytes.count
    if position < start || position + count > end {
      let isClose = position >= start && position - end <= Self.closeness
      let wanted = max(count, isClose && end > 0 ? Self.several : Self.single)
      bytes = try region.bytes(
        at: position, count: max(count, min(wanted, region.byteCount - position)))
      start = position
    }
    return bytes[(position - start)..<(position - start + count)]
  }
}
