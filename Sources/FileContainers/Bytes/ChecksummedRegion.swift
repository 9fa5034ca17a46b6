import CTensorKernels
import Synchronization
public import TensorModel

/// A run of bytes of a file whose CRC-32C is known, at any position.
///
/// The checksum is taken on the way, in whatever order and by however many threads the bytes are read: those of pieces are joined. What was
/// read counts only when `confirm()` has returned, which reads what nobody has read.
public final class ChecksummedRegion: RandomAccessBytes {
  /// Where the bytes are.
  public let region: FileRegion
  private let expected: UInt32
  private let state = Mutex(State.unchecked(PiecewiseChecksum()))

  private enum State {
    /// What has been read.
    case unchecked(PiecewiseChecksum)
    case checked
    indirect case refused(CheckpointError)
  }

  private static let bufferByteCount = 256 << 10

  /// Nothing is read yet.
  ///
  /// - Parameters:
  ///   - region: of a file that stays open.
  ///   - crc32c: what the bytes must give.
  public init(_ region: FileRegion, crc32c: UInt32) {
    self.region = region
    expected = crc32c
  }

  /// How many bytes there are.
  public var byteCount: Int { region.byteCount }

  /// Copies bytes.
  ///
  /// - Throws: `corrupt` if the last bytes are read and the checksum is wrong, `malformed` if they aren't within the region, `inputOutput`.
  public func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try region.read(at: position, into: base, count: count)
    let range = position..<position + count
    let isWanted = try state.withLock { state throws(CheckpointError) in
      switch state {
      case .checked: return false
      case .refused(let error): throw error
      case .unchecked(let pieces): return pieces.wants(range)
      }
    }
    guard isWanted else { return }
    let crc = wb_crc32c(0, base, count)
    try state.withLock { state throws(CheckpointError) in
      guard case .unchecked(var pieces) = state else { return }
      // The state is not to hold a second copy while it changes.
      state = .unchecked(PiecewiseChecksum())
      pieces.take(range, crc)
      state = .unchecked(pieces)
      if let whole = pieces.whole(byteCount) { try end(&state, whole) }
    }
  }

  /// Checks what hasn't been read.
  ///
  /// - Throws: `corrupt` if the checksum is wrong, `inputOutput`.
  public func confirm() throws(CheckpointError) {
    // The lock is held during the check, so that other threads wait for its outcome.
    try state.withLock { state throws(CheckpointError) in
      switch state {
      case .checked: return
      case .refused(let error): throw error
      case .unchecked(var pieces):
        try readGaps(&pieces)
        try end(&state, pieces.whole(byteCount) ?? ~expected)
      }
    }
  }

  private func readGaps(_ pieces: inout PiecewiseChecksum) throws(CheckpointError) {
    guard let first = pieces.gap(byteCount) else { return }
    let pages = try Pages(byteCount: min(Self.bufferByteCount, byteCount - first.lowerBound))
    defer { withExtendedLifetime(pages) {} }
    while let gap = pieces.gap(byteCount) {
      let piece = gap.prefix(pages.byteCount)
      try region.read(at: piece.lowerBound, into: pages.base, count: piece.count)
      let crc = wb_crc32c(0, pages.base, piece.count)
      pieces.take(piece.lowerBound..<piece.upperBound, crc)
    }
  }

  private func end(_ state: inout State, _ crc: UInt32) throws(CheckpointError) {
    guard crc != expected else {
      state = .checked
      return
    }
    let error = CheckpointError(
      .corrupt, "the CRC-32C of the bytes doesn't match", byteOffset: region.offset,
      expected: hexadecimal(expected), found: hexadecimal(crc),
      hint: "the file was damaged; get it again")
    state = .refused(error)
    throw error
  }
}
