// ZIP archives (PKWARE APPNOTE 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), as npz files are.
// All integers are little-endian. In the order of the file:
//
// 1. for each entry
//    a. local header, 30 bytes: "PK\3\4", version needed u16, flags u16, method u16, time u16, date u16, CRC-32 u32,
//       compressed size u32, size u32, name length u16, extra length u16; then the name and the extra fields
//    b. the data, stored (method 0) or as a raw deflate stream (method 8)
//    c. with flag bit 3, a data descriptor: "PK\7\8" (may be left out), CRC-32 u32, compressed size, size (u32 or u64 each)
// 2. central directory, for each entry 46 bytes: "PK\1\2", version made by u16, version needed u16, flags u16, method u16,
//    time u16, date u16, CRC-32 u32, compressed size u32, size u32, name length u16, extra length u16, comment length u16,
//    disk u16, internal attributes u16, external attributes u32, offset of the local header u32; then name, extra, comment
// 3. zip64 only: end record, 56 bytes: "PK\6\6", bytes that follow u64 (44), version made by u16, version needed u16, disk u32,
//    disk of the directory u32, entries on this disk u64, entries u64, directory size u64, directory offset u64
// 4. zip64 only: locator, 20 bytes: "PK\6\7", disk u32, offset of the end record u64, number of disks u32
// 5. end record, 22 bytes: "PK\5\6", disk u16, disk of the directory u16, entries on this disk u16, entries u16,
//    directory size u32, directory offset u32, comment length u16; then the comment
//
// Extra fields are tag u16, length u16, payload. Tag 1 holds 64-bit values for those header fields that are 0xFFFFFFFF.
//
// The central directory decides. Everything else must agree with it, and entries must fill the file without gap or overlap,
// so that no other reader can see different contents in the same bytes.

/// The signatures of the records, as little-endian integers.
enum ZipSignature {
  static let localHeader: UInt32 = 0x0403_4b50
  static let dataDescriptor: UInt32 = 0x0807_4b50
  static let directoryEntry: UInt32 = 0x0201_4b50
  static let zip64End: UInt32 = 0x0606_4b50
  static let zip64Locator: UInt32 = 0x0706_4b50
  static let end: UInt32 = 0x0605_4b50
}

/// The bits of an entry's flags.
enum ZipFlags {
  static let encrypted: UInt16 = 1 << 0
  static let hasDescriptor: UInt16 = 1 << 3
  static let isUTF8: UInt16 = 1 << 11
  /// Bits 1 and 2 say how hard the compressor tried.
  static let understood: UInt16 = 0x0006 | hasDescriptor | isUTF8
}

/// Some bytes of a file with their offset in it, from which integers are picked.
struct LittleEndianBytes {
  let bytes: ArraySlice<UInt8>
  /// Where the bytes begin in the file, for messages.
  let base: Int

  init(_ bytes: ArraySlice<UInt8>, base: Int) {
    self.bytes = bytes
    self.base = base
  }

  var count: Int { bytes.count }

  func u16(_ offset: Int) -> UInt16 { integer(offset) }
  func u32(_ offset: Int) -> UInt32 { integer(offset) }
  func u64(_ offset: Int) -> UInt64 { integer(offset) }

  /// The bytes of a part; nil if it isn't within.
  func part(_ offset: Int, _ count: Int) -> LittleEndianBytes? {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
      return nil
    }
    let start = bytes.startIndex + offset
    return LittleEndianBytes(bytes[start..<start + count], base: base + offset)
  }

  /// The integer of so many bytes; the caller has checked that they are there.
  func integer(_ offset: Int, _ count: Int) -> UInt64 {
    let start = bytes.startIndex + offset
    var value: UInt64 = 0
    for place in 0..<count { value |= UInt64(bytes[start + place]) << (8 * UInt64(place)) }
    return value
  }

  /// The same at once: an archive can have a million headers.
  private func integer<Value: FixedWidthInteger>(_ offset: Int) -> Value {
    bytes.withUnsafeBytes { bytes in
      precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= bytes.count)
      return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }
  }
}

/// `0x04034b50`, for messages.
func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}
