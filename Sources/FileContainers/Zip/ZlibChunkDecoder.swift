import CZlib
public import TensorModel

/// Decompresses chunks that are a zlib stream each (RFC 1950, https://www.rfc-editor.org/rfc/rfc1950), as HDF5's deflate filter writes them.
///
/// Not for several threads at once.
public final class ZlibChunkDecoder {
  /// zlib's state points back at this structure, so it must not move.
  private let stream: UnsafeMutablePointer<z_stream>

  /// Sets up a decoder.
  ///
  /// - Throws: `inputOutput` without memory.
  public init() throws(CheckpointError) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    guard weighbridge_inflate_init(stream) == Z_OK else {
      throw CheckpointError(.inputOutput, "zlib can't be set up: out of memory")
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// Decompresses a chunk; its Adler-32 is checked.
  ///
  /// - Parameters:
  ///   - source: the stream and nothing else, of less than 4 GiB.
  ///   - target: as large as the chunk or larger, and less than 4 GiB; its contents are undefined after an error.
  /// - Returns: how many bytes there are.
  /// - Throws: `corrupt` if the stream is damaged, or holds more.
  public func decode(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) -> Int {
    inflateReset(stream)
    stream.pointee.next_in = UnsafeMutablePointer(
      mutating: source.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.pointee.avail_in = UInt32(source.count)
    stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(target.count)
    let status = inflate(stream, Z_FINISH)
    guard status == Z_STREAM_END else {
      let reason =
        stream.pointee.msg.map { String(cString: $0) }
        ?? (stream.pointee.avail_in == 0 ? "they end early" : "there are more than there should be")
      throw CheckpointError(.corrupt, "the compressed data of a chunk are damaged: \(reason)")
    }
    guard stream.pointee.avail_in == 0 else {
      throw CheckpointError(
        .corrupt, "bytes after the compressed data of a chunk", found: "\(stream.pointee.avail_in)")
    }
    return target.count - Int(stream.pointee.avail_out)
  }
}
