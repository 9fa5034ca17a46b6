import CZlib
import TensorModel

/// The uncompressed bytes of a raw deflate stream (RFC 1951, https://www.rfc-editor.org/rfc/rfc1951), which must end exactly
/// where its region does.
final class DeflateStream: SequentialBytes {
  private let source: SequentialRegion
  /// zlib's state points back at this structure, so it must not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private let pages: Pages
  private var input: UnsafeMutableRawBufferPointer { pages.bytes }
  private var hasEnded = false

  private static let bufferByteCount = 256 << 10

  /// Begins at the first byte.
  ///
  /// - Parameter compressed: all of the stream.
  /// - Throws: `inputOutput` if there is no memory.
  init(_ compressed: FileRegion) throws(CheckpointError) {
    source = SequentialRegion(compressed)
    pages = try Pages(
      byteCount: Swift.min(Self.bufferByteCount, Swift.max(compressed.byteCount, 1)))
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    guard weighbridge_inflate_init_raw(stream) == Z_OK else {
      throw CheckpointError(.inputOutput, "zlib can't be set up: out of memory")
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int {
    guard !hasEnded, let base = buffer.baseAddress, !buffer.isEmpty else { return 0 }
    let room = Swift.min(buffer.count, Int(UInt32.max))
    stream.pointee.next_out = base.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(room)
    while stream.pointee.avail_out == room {
      if stream.pointee.avail_in == 0 {
        let count = try source.read(into: input)
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(count)
        guard count > 0 else { throw damage("the compressed data end early") }
      }
      let status = inflate(stream, Z_NO_FLUSH)
      if status == Z_STREAM_END {
        hasEnded = true
        break
      }
      guard status == Z_OK || status == Z_BUF_ERROR else {
        let reason = stream.pointee.msg.map { String(cString: $0) }
        throw damage("the compressed data are damaged: \(reason ?? "zlib error \(status)")")
      }
    }
    return room - Int(stream.pointee.avail_out)
  }

  /// Throws unless the stream has ended, and with it the compressed data.
  ///
  /// - Throws: `corrupt`.
  func checkEnd() throws(CheckpointError) {
    try withUnsafeTemporaryByte { byte throws(CheckpointError) in
      let count = try read(into: byte)
      guard count == 0 else { throw damage("there are more data than declared") }
      guard stream.pointee.avail_in == 0, try source.read(into: byte) == 0 else {
        throw damage("there are bytes after the end of the compressed data")
      }
    }
  }

  private func withUnsafeTemporaryByte(
    _ body: (UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var byte: UInt8 = 0
    let result = withUnsafeMutableBytes(of: &byte) { buffer in
      Result { () throws(CheckpointError) in try body(buffer) }
    }
    try result.get()
  }

  private func damage(_ message: String) -> CheckpointError {
    CheckpointError(
      .corrupt, message, byteOffset: Int(clamping: stream.pointee.total_out),
      hint: "the file was damaged; get it again")
  }
}
