import CTensorKernels
import Synchronization
public import TensorModel

/// The uncompressed bytes of a zip member, at any position.
///
/// A stored member that is read from its beginning to its end is checked against its CRC-32 on the way, and its bytes count only when
/// `confirm()` has returned. At any other order of reads all of it is checked first, which reads it twice; other threads wait meanwhile.
/// A deflated member is unpacked into a temporary file, and checked, at the first read.
public final class ZipMemberContents: RandomAccessBytes {
  /// The member.
  public let member: ZipMember
  private let unpacking: Unpacking
  private let state: Mutex<State>

  private enum State {
    /// How far reads in order have come.
    case unchecked(Progress)
    /// Checked, and where the bytes are: nil for those of a stored member, which stay where they are.
    case checked(TemporaryFile?)
    indirect case refused(CheckpointError)
  }

  private struct Progress {
    var position = 0
    var crc: UInt32 = 0
    /// A read that continues here is under way.
    var isBusy = false
  }

  private static let bufferByteCount = 256 << 10
  /// A read in order may leave out so many bytes, which are then read for the check alone: an array's header.
  private static let maximumGap = 4096

  /// Nothing is read yet.
  ///
  /// - Parameters:
  ///   - member: of an archive that stays open.
  ///   - unpacking: where a deflated member is unpacked, and how large the archive may become.
  public init(_ member: ZipMember, _ unpacking: Unpacking = Unpacking()) {
    self.member = member
    self.unpacking = unpacking
    state = Mutex(.unchecked(Progress()))
  }

  /// Its first bytes have been read.
  ///
  /// - Parameters:
  ///   - member: of an archive that stays open; stored.
  ///   - unpacking: as above.
  ///   - headByteCount: how many they are.
  ///   - crc: their CRC-32, with which that of the whole member begins.
  init(_ member: ZipMember, _ unpacking: Unpacking, headByteCount: Int, crc: UInt32) {
    self.member = member
    self.unpacking = unpacking
    state = Mutex(.unchecked(Progress(position: headByteCount, crc: crc)))
  }

  /// Bytes of the uncompressed data.
  public var byteCount: Int { member.byteCount }

  /// Copies bytes.
  ///
  /// - Throws: `corrupt` if the CRC-32 or the deflate stream is wrong, `malformed` if the bytes aren't within the member,
  ///   `inputOutput`, `noSpace`.
  public func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try check(position, count: count)
    if member.method == .stored, try readInOrder(at: position, into: base, count: count) { return }
    if let file = try checkedFile() {
      try file.read(at: position, into: base, count: count)
    } else {
      try member.region.read(at: position, into: base, count: count)
    }
  }

  /// The first bytes, or all if there are fewer; not checked against the CRC-32.
  ///
  /// - Throws: `corrupt` if the deflate stream is damaged within them, `inputOutput`.
  public func head(_ count: Int) throws(CheckpointError) -> [UInt8] {
    let count = Swift.min(count, byteCount)
    guard member.method == .deflated else { return try member.region.bytes(at: 0, count: count) }
    let bytes = try DeflateStream(member.region).next(count)
    guard bytes.count == count else { throw tooShort(found: bytes.count) }
    return bytes
  }

  /// Checks the whole member now, if that hasn't been done.
  ///
  /// - Throws: what `read(at:into:count:)` throws.
  public func confirm() throws(CheckpointError) { _ = try checkedFile() }

  /// Reads bytes that follow those read so far, taking the CRC-32 on the way.
  ///
  /// - Returns: false if these are not the next bytes, or the member has been checked.
  private func readInOrder(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) -> Bool {
    let begun = state.withLock { state -> Progress? in
      guard case .unchecked(var progress) = state, !progress.isBusy, count > 0,
        (0...Self.maximumGap).contains(position - progress.position)
      else { return nil }
      progress.isBusy = true
      state = .unchecked(progress)
      return progress
    }
    guard var progress = begun else { return false }
    do throws(CheckpointError) {
      let gap = try member.region.bytes(at: progress.position, count: position - progress.position)
      try member.region.read(at: position, into: base, count: count)
      progress.crc = wb_crc32(wb_crc32(progress.crc, gap, gap.count), base, count)
      progress.position = position + count
      if progress.position == byteCount { try compare(progress.crc) }
    } catch {
      end(.unchecked(Progress()))
      throw error
    }
    progress.isBusy = false
    end(progress.position == byteCount ? .checked(nil) : .unchecked(progress))
    return true
  }

  /// Ends a read in order, unless another thread has checked the whole member meanwhile.
  private func end(_ next: State) {
    state.withLock { if case .unchecked = $0 { $0 = next } }
  }

  private func checkedFile() throws(CheckpointError) -> TemporaryFile? {
    // The lock is held during the check, so that other threads wait for its outcome.
    try state.withLock { state throws(CheckpointError) in
      switch state {
      case .checked(let file): return file
      case .refused(let error): throw error
      case .unchecked: break
      }
      do throws(CheckpointError) {
        let file = try member.method == .stored ? checkStored() : unpack()
        state = .checked(file)
        return file
      } catch {
        // A full disk may be less full later; damage stays.
        if !error.code.isTransient { state = .refused(error) }
        throw error
      }
    }
  }

  private func checkStored() throws(CheckpointError) -> TemporaryFile? {
    let stream = SequentialRegion(member.region)
    try checkCRC(of: stream) { (_, _) throws(CheckpointError) in }
    return nil
  }

  private func unpack() throws(CheckpointError) -> TemporaryFile? {
    try unpacking.limit.check(
      unpacked: member.sizes.unpackedByteCount, from: member.sizes.byteCount)
    let file = try TemporaryFile(in: unpacking.directory)
    let stream = try DeflateStream(member.region)
    try checkCRC(of: stream) { (bytes, position) throws(CheckpointError) in
      guard let base = bytes.baseAddress else { return }
      try file.write(at: position, from: base, count: bytes.count)
    }
    try stream.checkEnd()
    return file
  }

  /// Reads exactly the declared bytes, passes them on piece by piece, and checks their CRC-32.
  private func checkCRC(
    of stream: any SequentialBytes,
    _ body: (UnsafeRawBufferPointer, _ position: Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let pages = try Pages(byteCount: Self.bufferByteCount)
    defer { withExtendedLifetime(pages) {} }
    let buffer = pages.bytes
    var crc: UInt32 = 0
    var position = 0
    while position < byteCount {
      let room = Swift.min(buffer.count, byteCount - position)
      let count = try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<room]))
      guard count > 0 else { throw tooShort(found: position) }
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      crc = wb_crc32(crc, bytes.baseAddress, count)
      try body(bytes, position)
      position += count
    }
    try compare(crc)
  }

  private func compare(_ crc: UInt32) throws(CheckpointError) {
    guard crc == member.crc else {
      throw CheckpointError(
        .corrupt, "the CRC-32 of zip entry '\(member.name)' doesn't match",
        byteOffset: member.region.offset, expected: hexadecimal(member.crc),
        found: hexadecimal(crc), hint: "the file was damaged; get it again")
    }
  }

  private func tooShort(found: Int) -> CheckpointError {
    CheckpointError(
      .corrupt, "zip entry '\(member.name)' is shorter than declared",
      byteOffset: member.region.offset, expected: "\(byteCount) bytes", found: "\(found)",
      hint: "the file was damaged; get it again")
  }
}
