import CZstd
public import TensorModel

/// The uncompressed bytes of a zstd stream: frames one after the other, skippable ones left out, checksums verified.
public final class ZstdStream: SequentialBytes {
  /// The largest window that is accepted, which bounds memory: what the `zstd` command accepts without `--long`.
  public static let maximumWindowByteCount = 1 << maximumWindowLog
  private static let maximumWindowLog = 27

  /// How many compressed bytes have been taken from the source.
  public private(set) var consumedByteCount = 0
  /// The size of the first frame's content, if its header tells; that of the whole stream unless more frames follow.
  public private(set) var declaredContentSize: Int?

  private let source: any SequentialBytes
  private let context: OpaquePointer
  private let pages: Pages
  private var input: UnsafeMutableRawBufferPointer { pages.bytes }
  /// The part of `input` that hasn't been decompressed.
  private var unread = 0..<0
  private var isInFrame = false

  private static let inputByteCount = 256 << 10

  /// Reads the first frame's header.
  ///
  /// - Parameter source: compressed bytes from their beginning.
  /// - Throws: `malformed` if it isn't a zstd stream, `unsupported` for a large window or a dictionary, `inputOutput`.
  public init(_ source: any SequentialBytes) throws(CheckpointError) {
    self.source = source
    pages = try Pages(byteCount: Self.inputByteCount)
    guard let context = ZSTD_createDCtx() else {
      throw CheckpointError(.inputOutput, "zstd can't be set up: out of memory")
    }
    self.context = context
    _ = weighbridge_zstd_limit_window(context, Int32(Self.maximumWindowLog))
    guard let header = try beginFrame(isFirst: true) else {
      throw CheckpointError(
        .malformed, "an empty file", byteOffset: 0, expected: "a zstd frame", found: "0 bytes",
        hint: "the download is incomplete; get it again")
    }
    declaredContentSize = header.contentByteCount.flatMap(Int.init(exactly:))
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Copies the next uncompressed bytes.
  ///
  /// - Throws: `malformed` if the stream ends within a frame or something else follows a frame, `corrupt` if data or checksum
  ///   are damaged, `unsupported` for a large window or a dictionary, `inputOutput`.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int {
    var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
    while output.pos == 0, !buffer.isEmpty {
      if !isInFrame, try beginFrame(isFirst: false) == nil { return 0 }
      var chunk = ZSTD_inBuffer(
        src: input.baseAddress.map { $0 + unread.lowerBound }, size: unread.count, pos: 0)
      let result = ZSTD_decompressStream(context, &output, &chunk)
      guard ZSTD_isError(result) == 0 else { throw failure(result) }
      unread = unread.lowerBound + chunk.pos..<unread.upperBound
      isInFrame = result != 0
      // Without new input the decompressor may still hold output; only if it has none either, the frame is cut short.
      if isInFrame, unread.isEmpty, try refill() == 0, output.pos == 0 {
        throw ZstdFrameHeader.isCutShort(at: consumedByteCount)
      }
    }
    return output.pos
  }

  /// Looks at the header of the next frame; nil at the end of the stream.
  private func beginFrame(isFirst: Bool) throws(CheckpointError) -> ZstdFrameHeader? {
    while unread.count < ZstdFrameHeader.maximumByteCount, try refill() > 0 {}
    guard !unread.isEmpty else { return nil }
    let offset = consumedByteCount - unread.count
    let start = Array(input[unread].prefix(ZstdFrameHeader.maximumByteCount))
    let header = try ZstdFrameHeader(start, at: offset, isFirst: isFirst)
    guard header.dictionary == 0 else {
      throw CheckpointError(
        .unsupported, "a zstd frame that needs a dictionary", byteOffset: offset,
        expected: "none", found: "dictionary \(header.dictionary)",
        hint: "decompress it with `zstd -D DICTIONARY -d` first")
    }
    guard header.windowByteCount <= Self.maximumWindowByteCount else {
      throw CheckpointError(
        .unsupported, "a zstd frame that needs too much memory", byteOffset: offset,
        expected: "a window of at most \(Self.maximumWindowByteCount) bytes",
        found: "\(header.windowByteCount)",
        hint: "decompress it with `zstd -d --long=31` first, if you trust it")
    }
    isInFrame = true
    return header
  }

  /// Reads more behind what is unread.
  ///
  /// - Returns: how many bytes were added, 0 at the end of the source.
  private func refill() throws(CheckpointError) -> Int {
    let kept = unread.count
    if unread.lowerBound > 0, let base = input.baseAddress {
      base.copyMemory(from: base + unread.lowerBound, byteCount: kept)
    }
    unread = 0..<kept
    let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: input[kept...]))
    unread = 0..<kept + count
    consumedByteCount += count
    return count
  }

  private func failure(_ result: Int) -> CheckpointError {
    let damaged = "the file was damaged; get it again"
    let code: CheckpointError.Code
    let message: String
    switch ZSTD_getErrorCode(result) {
    case ZSTD_error_checksum_wrong:
      (code, message) = (.corrupt, "the checksum of a zstd frame doesn't match")
    case ZSTD_error_memory_allocation:
      (code, message) = (.inputOutput, "no memory for decompressing")
    default:
      (code, message) = (
        .corrupt, "damaged zstd data (\(String(cString: ZSTD_getErrorName(result))))"
      )
    }
    return CheckpointError(
      code, message, byteOffset: consumedByteCount - unread.count,
      hint: code == .corrupt ? damaged : nil)
  }
}
