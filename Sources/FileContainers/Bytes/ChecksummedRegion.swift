import CTensorKernels
import Synchronization
public import TensorModel

/// A run of bytes of a file whose CRC-32C is known, at any position.
///
/// Bytes that are read from the first to the last are checked on the way, and count only when `confirm()` has returned. At any other order of
/// reads all of them are checked first, which reads them twice; other threads wait meanwhile.
public final class ChecksummedRegion: RandomAccessBytes {
  /// Where the bytes are.
  public let region: FileRegion
  private let expected: UInt32
  private let state: Mutex<State>

  private enum State {
    /// How far reads in order have come.
    case unchecked(OrderedChecksum)
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
    state = Mutex(.unchecked(OrderedChecksum()))
  }

  /// How many bytes there are.
  public var byteCount: Int { region.byteCount }

  /// Copies bytes.
  ///
  /// - Throws: `corrupt` if the checksum is wrong, `malformed` if the bytes aren't within the region, `inputOutput`.
  public func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try check(position, count: count)
    if try readInOrder(at: position, into: base, count: count) { return }
    try confirm()
    try region.read(at: position, into: base, count: count)
  }

  /// Checks what hasn't been read in order.
  ///
  /// - Throws: `corrupt` if the checksum is wrong, `inputOutput`.
  public func confirm() throws(CheckpointError) {
    // The lock is held during the check, so that other threads wait for its outcome.
    try state.withLock { state throws(CheckpointError) in
      switch state {
      case .checked: return
      case .refused(let error): throw error
      case .unchecked(let progress):
        do throws(CheckpointError) {
          try checkRest(after: progress.isBusy ? OrderedChecksum() : progress)
          state = .checked
        } catch {
          if !error.code.isTransient { state = .refused(error) }
          throw error
        }
      }
    }
  }

  /// Reads bytes that follow those read so far, taking the checksum on the way.
  ///
  /// - Returns: false if these are not the next bytes, or all have been checked.
  private func readInOrder(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) -> Bool {
    let begun = state.withLock { state -> OrderedChecksum? in
      guard case .unchecked(var progress) = state, progress.isNext(position, count: count) else {
        return nil
      }
      progress.isBusy = true
      state = .unchecked(progress)
      return progress
    }
    guard var progress = begun else { return false }
    do throws(CheckpointError) {
      try progress.read(region, at: position, into: base, count: count, wb_crc32c)
      if progress.position == byteCount { try compare(progress.value) }
    } catch {
      end(.unchecked(OrderedChecksum()))
      throw error
    }
    progress.isBusy = false
    end(progress.position == byteCount ? .checked : .unchecked(progress))
    return true
  }

  /// Ends a read in order, unless another thread has checked everything meanwhile.
  private func end(_ next: State) {
    state.withLock { if case .unchecked = $0 { $0 = next } }
  }

  private func checkRest(after start: OrderedChecksum) throws(CheckpointError) {
    var progress = start
    if progress.position < byteCount {
      let pages = try Pages(
        byteCount: Swift.min(Self.bufferByteCount, byteCount - progress.position))
      defer { withExtendedLifetime(pages) {} }
      while progress.position < byteCount {
        let count = Swift.min(pages.byteCount, byteCount - progress.position)
        try progress.read(region, at: progress.position, into: pages.base, count: count, wb_crc32c)
      }
    }
    try compare(progress.value)
  }

  private func compare(_ crc: UInt32) throws(CheckpointError) {
    guard crc == expected else {
      throw CheckpointError(
        .corrupt, "the CRC-32C of the bytes doesn't match", byteOffset: region.offset,
        expected: hexadecimal(expected), found: hexadecimal(crc),
        hint: "the file was damaged; get it again")
    }
  }
}
