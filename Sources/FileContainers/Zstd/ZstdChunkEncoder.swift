import CZstd
public import TensorModel

/// Compresses chunks of known size into a zstd frame each: with the content's size, without a checksum or dictionary.
///
/// Not for several threads at once.
public final class ZstdChunkEncoder {
  /// How hard it tries.
  public enum Settings: Hashable, Sendable {
    /// Bytes are only coded by how frequent they are: weights have nothing else. Long runs of equal bytes are found by the way.
    case entropyOnly
    /// The same, with short runs looked for at every place: differences to a base are often zero.
    case entropyAndRuns
    /// A level of zstd, one of `levels`.
    case level(Int)
  }

  /// The levels that this libzstd has.
  public static var levels: ClosedRange<Int> { Int(ZSTD_minCLevel())...Int(ZSTD_maxCLevel()) }

  private let context: OpaquePointer

  /// Sets up an encoder.
  ///
  /// - Throws: `usage` for a level that libzstd doesn't have, `inputOutput` without memory.
  public init(_ settings: Settings) throws(CheckpointError) {
    guard let context = ZSTD_createCCtx() else {
      throw CheckpointError(.inputOutput, "zstd can't be set up: out of memory")
    }
    self.context = context
    switch settings {
    case .level(let level):
      guard Self.levels.contains(level) else {
        throw CheckpointError(
          .usage, "no such zstd level",
          expected: "\(Self.levels.lowerBound) to \(Self.levels.upperBound)", found: "\(level)")
      }
      try set(ZSTD_c_compressionLevel, Int32(level))
    case .entropyOnly, .entropyAndRuns:
      try set(ZSTD_c_strategy, Int32(ZSTD_fast.rawValue))
      try set(ZSTD_c_minMatch, 7)
      try set(ZSTD_c_hashLog, 6)
      // For the fast strategy: how many bytes to go on after each place where nothing was found. Enough to cost no time, and to find rows of zeros.
      try set(ZSTD_c_targetLength, settings == .entropyOnly ? 128 : 0)
      // literalCompressionMode = huffman, which the fast strategy turns off with a large target length. Experimental: without it, less is gained.
      _ = ZSTD_CCtx_setParameter(context, ZSTD_cParameter(rawValue: 1002), 1)
    }
    try set(ZSTD_c_contentSizeFlag, 1)
    try set(ZSTD_c_checksumFlag, 0)
  }

  deinit { ZSTD_freeCCtx(context) }

  private func set(_ parameter: ZSTD_cParameter, _ value: Int32) throws(CheckpointError) {
    let result = ZSTD_CCtx_setParameter(context, parameter, value)
    guard ZSTD_isError(result) == 0 else { throw failure(result) }
  }

  private func failure(_ result: Int) -> CheckpointError {
    CheckpointError(
      .inputOutput, "can't compress: \(String(cString: ZSTD_getErrorName(result)))")
  }

  /// Compresses a chunk.
  ///
  /// - Parameters:
  ///   - source: the chunk.
  ///   - target: room for the frame; as large as the source less a byte for a caller that keeps what doesn't shrink as it is.
  ///   - runByteCount: if the chunk consists of runs of so many bytes whose frequencies differ: no block of the frame has bytes of two of them,
  ///     because a block has one code.
  /// - Returns: the frame's size, nil if there is not enough room.
  /// - Throws: `inputOutput` without memory.
  public func encode(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer,
    runByteCount: Int? = nil
  ) throws(CheckpointError) -> Int? {
    if let runByteCount, runByteCount < source.count, runByteCount % Self.blockByteCount != 0 {
      return try encode(source, into: target, runs: runByteCount)
    }
    let result = ZSTD_compress2(
      context, target.baseAddress, target.count, source.baseAddress, source.count)
    guard ZSTD_isError(result) != 0 else { return result }
    guard ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall else { throw failure(result) }
    return nil
  }

  /// What a block has at most.
  private static let blockByteCount = 128 << 10

  private func encode(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, runs: Int
  ) throws(CheckpointError) -> Int? {
    for result in [
      ZSTD_CCtx_reset(context, ZSTD_reset_session_only),
      ZSTD_CCtx_setPledgedSrcSize(context, UInt64(source.count)),
    ] where ZSTD_isError(result) != 0 { throw failure(result) }
    var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
    var input = ZSTD_inBuffer(src: source.baseAddress, size: 0, pos: 0)
    while input.size < source.count {
      input.size = min(input.size + runs, source.count)
      let directive = input.size == source.count ? ZSTD_e_end : ZSTD_e_flush
      var rest = 0
      repeat {
        rest = ZSTD_compressStream2(context, &output, &input, directive)
        guard ZSTD_isError(rest) == 0 else { throw failure(rest) }
        if rest > 0 && output.pos == output.size { return nil }
      } while rest > 0
    }
    return output.pos
  }
}
