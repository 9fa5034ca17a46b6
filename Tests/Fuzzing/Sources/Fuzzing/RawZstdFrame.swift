/// Bytes as a zstd frame that doesn't compress them.
public enum RawZstdFrame {
  private static let blockByteCount = 128 << 10

  /// A frame of raw blocks with its content's size (RFC 8878, 3.1.1).
  public static func frame(_ content: [UInt8]) -> [UInt8] {
    var frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0xa0]
    frame += littleEndian(content.count, byteCount: 4)
    var start = 0
    repeat {
      let end = min(start + blockByteCount, content.count)
      frame += littleEndian((end - start) << 3 | (end == content.count ? 1 : 0), byteCount: 3)
      frame += content[start..<end]
      start = end
    } while start < content.count
    return frame
  }

  private static func littleEndian(_ value: Int, byteCount: Int) -> [UInt8] {
    (0..<byteCount).map { UInt8(value >> ($0 * 8) & 0xff) }
  }
}
