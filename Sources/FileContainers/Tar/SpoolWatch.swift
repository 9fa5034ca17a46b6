import TensorModel

/// Looks after the disk, the user's patience and cancellation while an archive is unpacked into a spool file.
final class SpoolWatch {
  private let path: String
  private let directory: String
  private let stream: any SequentialBytes
  private let archiveByteCount: Int?
  private let limit: ExpansionLimit
  private let progress: ((Int) -> Void)?
  private let checkCancellation: (() throws(CheckpointError) -> Void)?
  private var checkedByteCount = 0

  /// What is left on the disk for others.
  private static let reserve = 64 << 20
  /// How many bytes may be kept before free space is looked at again.
  private static let interval = 64 << 20

  /// Looks whether there is room for the archive, as far as its size is known.
  ///
  /// - Throws: `noSpace`, or `unsupported` if it says itself that it becomes too large.
  init(
    _ path: String, _ stream: any SequentialBytes, byteCount: Int?, limit: ExpansionLimit,
    progress: ((Int) -> Void)?,
    checkCancellation: (() throws(CheckpointError) -> Void)?
  ) throws(CheckpointError) {
    self.path = path
    directory = Directories.split(path).parent
    self.stream = stream
    archiveByteCount = byteCount
    self.limit = limit
    self.progress = progress
    self.checkCancellation = checkCancellation
    let declared = (stream as? ZstdStream)?.declaredContentSize ?? 0
    try require(declared)
    if byteCount != nil { try checkExpansion(declared) }
  }

  /// Called for each buffer.
  ///
  /// - Parameter kept: bytes of the spool so far.
  /// - Throws: `noSpace`, `unsupported` if the archive grows too much, or what the check for cancellation throws.
  func passed(kept: Int) throws(CheckpointError) {
    try checkCancellation?()
    try checkExpansion(kept)
    progress?((stream as? ZstdStream)?.consumedByteCount ?? kept)
    guard kept - checkedByteCount >= Self.interval else { return }
    checkedByteCount = kept
    try require(0)
  }

  /// Of an archive that is piped in, what has come so far counts.
  private func checkExpansion(_ unpacked: Int) throws(CheckpointError) {
    guard let stream = stream as? ZstdStream else { return }
    try limit.check(unpacked: unpacked, from: archiveByteCount ?? stream.consumedByteCount)
  }

  private func require(_ byteCount: Int) throws(CheckpointError) {
    let need = byteCount.addingReportingOverflow(Self.reserve)
    guard let free = freeByteCount(at: directory) else { return }
    guard !need.overflow, need.partialValue <= free else {
      throw CheckpointError(
        .noSpace, "not enough room for unpacking the archive", file: path,
        expected: byteCount > 0
          ? "\(byteCount) bytes and \(Self.reserve) in reserve"
          : "\(Self.reserve) bytes in reserve",
        found: "\(free) free",
        hint: "free some space, or choose a --spool directory on another disk")
    }
  }
}
