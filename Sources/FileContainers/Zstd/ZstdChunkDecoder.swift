import CZstd
public import TensorModel

/// Decompresses chunks that are a zstd frame each, of a size that is known before.
///
/// Not for several threads at once.
public final class ZstdChunkDecoder {
  private let context: OpaquePointer

  /// Sets up a decoder.
  ///
  /// - Throws: `inputOutput` without memory.
  public init() throws(CheckpointError) {
    guard let context = ZSTD_createDCtx() else {
      throw CheckpointError(.inputOutput, "zstd can't be set up: out of memory")
    }
    self.context = context
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Fills a buffer with a chunk.
  ///
  /// Nothing is decompressed unless there is just one frame, and it says that it has so many bytes.
  ///
  /// - Parameters:
  ///   - source: the frame and nothing else.
  ///   - target: as large as the chunk; its contents are undefined after an error.
  /// - Throws: `corrupt` if the frame is damaged or another chunk's.
  public func decode(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    // Skippable frames are refused here: for libzstd they are frames without contents.
    guard source.count >= 4,
      source.loadUnaligned(as: UInt32.self).littleEndian == ZstdFrameHeader.magic
    else {
      throw CheckpointError(
        .corrupt, "a chunk is not a zstd frame", expected: "a zstd frame",
        found: source.prefix(4).map { String($0, radix: 16) }.joined(separator: " "))
    }
    let contentByteCount = ZSTD_getFrameContentSize(source.baseAddress, source.count)
    guard contentByteCount == UInt64(target.count) else {
      throw CheckpointError(
        .corrupt, "a zstd frame of another size", expected: "\(target.count) bytes",
        found: contentByteCount >= weighbridge_zstd_content_size_error()
          ? "none declared" : "\(contentByteCount)")
    }
    let frameByteCount = ZSTD_findFrameCompressedSize(source.baseAddress, source.count)
    guard ZSTD_isError(frameByteCount) == 0 else { throw damage(frameByteCount) }
    guard frameByteCount == source.count else {
      throw CheckpointError(
        .corrupt, "bytes after a chunk's zstd frame", byteOffset: frameByteCount,
        expected: "\(frameByteCount) bytes", found: "\(source.count)")
    }
    let result = ZSTD_decompressDCtx(
      context, target.baseAddress, target.count, source.baseAddress, source.count)
    guard ZSTD_isError(result) == 0 else { throw damage(result) }
    guard result == target.count else {
      throw CheckpointError(
        .corrupt, "a zstd frame of another size than it says", expected: "\(target.count) bytes",
        found: "\(result)")
    }
  }

  private func damage(_ result: Int) -> CheckpointError {
    CheckpointError(.corrupt, "damaged zstd data (\(String(cString: ZSTD_getErrorName(result))))")
  }
}
