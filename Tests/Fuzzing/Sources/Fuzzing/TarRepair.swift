/// A tar archive's headers made valid, so that an input that was changed gets further than to a wrong checksum.
public enum TarRepair {
  private static let blockByteCount = 512

  /// The archive with the checksum of every header that is found by following the sizes.
  public static func repaired(_ archive: [UInt8]) -> [UInt8] {
    var archive = archive
    var start = 0
    while archive.count - start >= blockByteCount {
      let block = archive[start..<start + blockByteCount]
      guard block.contains(where: { $0 != 0 }) else { break }
      archive.replaceSubrange(start + 148..<start + 156, with: checksum(of: block))
      guard let size = size(of: block), size < archive.count else { break }
      start += blockByteCount + (size + blockByteCount - 1) / blockByteCount * blockByteCount
    }
    return archive
  }

  /// A header of a type, for data of a size, without a checksum.
  public static func header(_ path: String, type: Unicode.Scalar, byteCount: Int) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: blockByteCount)
    block.replaceSubrange(0..<path.utf8.count, with: path.utf8)
    block.replaceSubrange(124..<136, with: octal(byteCount, digits: 11) + [0])
    block[156] = UInt8(ascii: type)
    block.replaceSubrange(257..<265, with: Array("ustar".utf8) + [0, 0x30, 0x30])
    return block
  }

  /// Data, and zeros up to a whole block.
  public static func padded(_ data: [UInt8]) -> [UInt8] {
    data + [UInt8](repeating: 0, count: -data.count & (blockByteCount - 1))
  }

  private static func checksum(of block: ArraySlice<UInt8>) -> [UInt8] {
    let own = block.startIndex + 148..<block.startIndex + 156
    var sum = own.count * 0x20
    for index in block.indices where !own.contains(index) { sum += Int(block[index]) }
    return octal(sum, digits: 6) + [0, 0x20]
  }

  private static func size(of block: ArraySlice<UInt8>) -> Int? {
    let field = block[block.startIndex + 124..<block.startIndex + 136]
    let digits = field.drop { $0 == 0x20 }.prefix { (0x30...0x37).contains($0) }
    return Int(String(decoding: digits, as: UTF8.self), radix: 8)
  }

  private static func octal(_ value: Int, digits: Int) -> [UInt8] {
    let text = String(value, radix: 8)
    return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
  }
}
