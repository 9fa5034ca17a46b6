import CZstd
public import TensorModel

/// Compresses bytes that come piece by piece into one zstd frame, which says how many they are and ends with their checksum.
///
/// For one thread at a time.
public final class ZstdFrameEncoder {
  private let context: OpaquePointer
  private let pages: Pages

  /// Begins a frame.
  ///
  /// - Parameters:
  ///   - level: of zstd.
  ///   - byteCount: of all pieces together.
  /// - Throws: `usage` for a level that libzstd doesn't have, `inputOutput` without memory.
  public init(level: Int, byteCount: Int) throws(CheckpointError) {
    guard let context = ZSTD_createCCtx() else {
      throw CheckpointError(.inputOutput, "zstd can't be set up: out of memory")
    }
    self.context = context
    pages = try Pages(byteCount: ZSTD_CStreamOutSize())
    guard ZstdChunkEncoder.levels.contains(level) else {
      throw CheckpointError(.usage, "no such zstd level", found: "\(level)")
    }
    try check(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(level)))
    try check(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))
    try check(ZSTD_CCtx_setPledgedSrcSize(context, UInt64(byteCount)))
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Compresses the next piece.
  ///
  /// - Parameters:
  ///   - bytes: the piece.
  ///   - isLast: whether the frame ends with it.
  ///   - write: is given what comes out, valid during the call.
  /// - Throws: `inputOutput`, and what `write` throws.
  public func append(
    _ bytes: UnsafeRawBufferPointer, isLast: Bool,
    _ write: (UnsafeRawBufferPointer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    let room = pages.bytes
    var rest = 0
    repeat {
      var output = ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
      rest = ZSTD_compressStream2(
        context, &output, &input, isLast ? ZSTD_e_end : ZSTD_e_continue)
      try check(rest)
      if output.pos > 0 {
        try write(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[..<output.pos]))
      }
    } while isLast ? rest > 0 : input.pos < input.size
  }

  private func check(_ result: Int) throws(CheckpointError) {
    guard ZSTD_isError(result) == 0 else {
      throw CheckpointError(
        .inputOutput, "can't compress: \(String(cString: ZSTD_getErrorName(result)))")
    }
  }
}
