import TensorModel

/// A tar archive that comes through a stream, and is copied to a file as it passes.
final class SpoolingTarSource: TarSource {
  private let stream: any SequentialBytes
  private let spool: OutputFile
  private let watch: SpoolWatch
  private let pages: Pages
  /// The stream's position at the beginning of the buffer.
  private var bufferOffset = 0
  /// The part of the buffer that hasn't been passed.
  private var ahead = 0..<0
  private var isKeeping = true

  init(_ stream: any SequentialBytes, spool: OutputFile, watch: SpoolWatch) throws(CheckpointError)
  {
    self.stream = stream
    self.spool = spool
    self.watch = watch
    pages = try Pages(byteCount: 1 << 20)
  }

  private var buffer: UnsafeMutableRawBufferPointer { pages.bytes }

  var position: Int { bufferOffset + ahead.lowerBound }

  func read(into target: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int {
    guard try refill() else { return 0 }
    let part = buffer[ahead].prefix(target.count)
    target.copyBytes(from: part)
    ahead = ahead.lowerBound + part.count..<ahead.upperBound
    return part.count
  }

  func skip(_ count: Int) throws(CheckpointError) -> Int {
    var done = 0
    while done < count, try refill() {
      let part = Swift.min(ahead.count, count - done)
      ahead = ahead.lowerBound + part..<ahead.upperBound
      done += part
    }
    return done
  }

  /// What comes from here on is read, so that its checksums are verified, but not kept.
  func endArchive() throws(CheckpointError) {
    try keep(upTo: ahead.lowerBound)
    isKeeping = false
  }

  /// Makes sure that something is ahead.
  ///
  /// - Returns: false at the end.
  private func refill() throws(CheckpointError) -> Bool {
    guard ahead.isEmpty else { return true }
    try keep(upTo: ahead.upperBound)
    bufferOffset += ahead.upperBound
    ahead = 0..<0
    ahead = 0..<(try stream.fill(buffer))
    try watch.passed(kept: bufferOffset)
    return !ahead.isEmpty
  }

  private func keep(upTo end: Int) throws(CheckpointError) {
    guard isKeeping, end > 0, let base = buffer.baseAddress else { return }
    try spool.write(at: bufferOffset, from: base, count: end)
  }
}
