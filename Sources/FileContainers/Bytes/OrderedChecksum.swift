import TensorModel

/// How far a checksum has come that is taken while bytes are read from the first to the last.
struct OrderedChecksum {
  /// How many bytes it has taken.
  var position = 0
  /// That of the bytes so far.
  var value: UInt32 = 0
  /// A read that continues here is under way.
  var isBusy = false

  /// What advances a checksum over bytes.
  typealias Update = (UInt32, UnsafeRawPointer?, Int) -> UInt32

  /// A read in order may leave out so many bytes, which are then read for the check alone: an array's header.
  private static let maximumGap = 4096

  /// Whether a read from that position continues here.
  func isNext(_ position: Int, count: Int) -> Bool {
    !isBusy && count > 0 && (0...Self.maximumGap).contains(position - self.position)
  }

  /// Copies bytes, and takes them and those that were left out before them.
  ///
  /// - Throws: what reading throws.
  mutating func read(
    _ region: FileRegion, at position: Int, into base: UnsafeMutableRawPointer, count: Int,
    _ update: Update
  ) throws(CheckpointError) {
    let gap = try region.bytes(at: self.position, count: position - self.position)
    try region.read(at: position, into: base, count: count)
    value = update(update(value, gap, gap.count), base, count)
    self.position = position + count
  }
}
