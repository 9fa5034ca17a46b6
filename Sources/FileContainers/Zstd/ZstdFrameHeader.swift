// Zstandard frames (RFC 8878, section 3, https://www.rfc-editor.org/rfc/rfc8878#section-3), which may follow one another.
// All integers are little-endian.
//
// 1. magic number u32: 0xFD2FB528; or 0x184D2A50 to 0x184D2A5F for a skippable frame: then its size u32 and so many bytes
// 2. frame header
//    a. descriptor u8: bits 6-7 size of the content size, bit 5 single segment, bit 3 must be 0, bit 2 checksum,
//       bits 0-1 size of the dictionary id
//    b. window descriptor u8, not with single segment: exponent in the upper 5 bits, mantissa in the lower 3
//    c. dictionary id, 0, 1, 2 or 4 bytes
//    d. content size, 0, 1, 2, 4 or 8 bytes; with 2 bytes, 256 less than it is
// 3. blocks, each of at most 128 KiB
// 4. with the checksum flag, the lower 4 bytes of the content's XXH64

import TensorModel

/// What a frame says about itself before its first block.
struct ZstdFrameHeader {
  /// Whether it has no content for us.
  let isSkippable: Bool
  /// How much of what came before the decompressor must keep.
  let windowByteCount: UInt64
  /// The dictionary that it was compressed with; 0 if there is none.
  let dictionary: UInt32
  /// The size of the uncompressed content, if it is told.
  let contentByteCount: UInt64?

  /// The most bytes that a header has.
  static let maximumByteCount = 18
  static let magic: UInt32 = 0xFD2F_B528
  static let skippableMagic: ClosedRange<UInt32> = 0x184D_2A50...0x184D_2A5F

  /// Parses the beginning of a frame.
  ///
  /// - Parameters:
  ///   - bytes: at least the header, if the frame isn't cut short.
  ///   - offset: where the frame begins in the compressed bytes.
  ///   - isFirst: whether no other frame came before.
  /// - Throws: `malformed` if no frame begins there or if it is cut short.
  init(_ bytes: [UInt8], at offset: Int, isFirst: Bool) throws(CheckpointError) {
    let fields = LittleEndianBytes(bytes[...], base: offset)
    guard fields.count >= 4, fields.isFrameStart else {
      throw CheckpointError(
        .malformed,
        isFirst ? "not a zstd stream" : "bytes after a zstd frame that aren't another frame",
        byteOffset: offset, expected: "a zstd frame",
        found: bytes.prefix(4).map { String($0, radix: 16) }.joined(separator: " "),
        hint: isFirst ? nil : "something was appended to the file; get it again")
    }
    isSkippable = Self.skippableMagic.contains(fields.u32(0))
    guard !isSkippable else {
      (windowByteCount, dictionary, contentByteCount) = (0, 0, nil)
      return
    }
    let descriptor = fields.count > 4 ? bytes[4] : 0
    let isSingleSegment = descriptor & 0x20 != 0
    let dictionaryByteCount = [0, 1, 2, 4][Int(descriptor & 3)]
    let contentSizeByteCount = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
    let dictionaryOffset = isSingleSegment ? 5 : 6
    guard fields.count > 4,
      fields.count >= dictionaryOffset + dictionaryByteCount + contentSizeByteCount
    else { throw ZstdFrameHeader.isCutShort(at: offset + bytes.count) }

    dictionary = UInt32(fields.integer(dictionaryOffset, dictionaryByteCount))
    var content: UInt64?
    if contentSizeByteCount > 0 {
      let value = fields.integer(dictionaryOffset + dictionaryByteCount, contentSizeByteCount)
      content = contentSizeByteCount == 2 ? value + 256 : value
    }
    contentByteCount = content
    let exponent = UInt64(bytes[5] >> 3) + 10
    windowByteCount =
      isSingleSegment ? content ?? 0 : (1 << exponent) + (1 << exponent) / 8 * UInt64(bytes[5] & 7)
  }

  /// The error for a stream that ends before its last frame does.
  static func isCutShort(at offset: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "the archive ends in the middle of a zstd frame", byteOffset: offset,
      expected: "more bytes", found: "end of file",
      hint: "the download is incomplete; get the rest of it")
  }
}

extension LittleEndianBytes {
  /// Whether the first four bytes are the magic number of a frame.
  var isFrameStart: Bool {
    u32(0) == ZstdFrameHeader.magic || ZstdFrameHeader.skippableMagic.contains(u32(0))
  }
}
