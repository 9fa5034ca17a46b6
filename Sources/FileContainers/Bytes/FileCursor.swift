import TensorModel

/// Reads a file from its beginning, a window at a time.
struct FileCursor {
  /// Where the next byte is.
  private(set) var position = 0
  /// Whether numbers begin with their most significant byte.
  var isBigEndian = false
  private let file: FileRegion
  private var window: [UInt8] = []
  private var windowStart = 0

  /// A window is larger than the one before it, unless bytes were left out: headers that lie far apart take small reads.
  private static let windowByteCounts = 4 << 10...256 << 10
  private var nextWindowByteCount = windowByteCounts.lowerBound

  init(_ file: FileRegion) { self.file = file }

  /// Bytes from here to the end of the file.
  var remaining: Int { file.byteCount - position }

  /// The next bytes.
  ///
  /// - Throws: `malformed` if the file ends before.
  mutating func bytes(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw endsEarly(count) }
    if position < windowStart || position + count > windowStart + window.count {
      windowStart = position
      window = try file.bytes(
        at: position, count: min(remaining, max(count, nextWindowByteCount)))
      nextWindowByteCount = min(2 * nextWindowByteCount, Self.windowByteCounts.upperBound)
    }
    defer { position += count }
    let start = position - windowStart
    return window[start..<start + count]
  }

  /// Leaves the next bytes out.
  ///
  /// - Throws: `malformed` if the file ends before.
  mutating func skip(_ count: Int) throws(CheckpointError) {
    guard count > windowStart + window.count - position else {
      _ = try bytes(count)
      return
    }
    guard count <= remaining else { throw endsEarly(count) }
    position += count
    nextWindowByteCount = Self.windowByteCounts.lowerBound
  }

  private func endsEarly(_ count: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "the file ends early", byteOffset: position,
      expected: "\(count) bytes", found: "\(remaining)",
      hint: "the file was cut short; get it again")
  }

  /// An integer of so many bytes.
  mutating func integer(_ count: Int) throws(CheckpointError) -> UInt64 {
    let run = try bytes(count)
    return isBigEndian
      ? run.reduce(0) { $0 << 8 | UInt64($1) } : run.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A number of things that each take so many bytes of the file at least.
  ///
  /// - Throws: `malformed` if the file has no room for them.
  mutating func count(of what: String, each byteCount: Int) throws(CheckpointError) -> Int {
    let place = position
    let value = try integer(8)
    guard let count = Int(exactly: value), count <= remaining / byteCount else {
      throw CheckpointError(
        .malformed, "more \(what) than the file has room for", byteOffset: place,
        expected: "at most \(remaining / byteCount)", found: "\(value)")
    }
    return count
  }
}
