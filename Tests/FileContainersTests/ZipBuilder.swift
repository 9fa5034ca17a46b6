/// Writes zip archives that can break any rule.
struct ZipBuilder {
  struct Entry {
    var name: [UInt8]
    var data: [UInt8]
    var localName: [UInt8]?
    var method: UInt16 = 0
    var flags: UInt16 = 0
    var localFlags: UInt16?
    var crc: UInt32
    var localCRC: UInt32?
    /// Size, compressed size, offset as the directory has them; nil for the true ones.
    var size: UInt32?
    var compressedSize: UInt32?
    var offset: UInt32?
    /// Size and compressed size as the local header has them.
    var localSizes: [UInt32]?
    var extra: [UInt8] = []
    var localExtra: [UInt8] = []
    var descriptor: [UInt8] = []
    /// Bytes before the local header.
    var gap: [UInt8] = []

    init(_ name: String, _ data: [UInt8], crc: UInt32? = nil) {
      self.name = Array(name.utf8)
      self.data = data
      self.crc = crc ?? checksum(data)
    }
  }

  var entries: [Entry]
  var declaredEntryCount: Int?
  var comment: [UInt8] = []
  var declaredCommentByteCount: Int?
  /// What the end record's directory offset is wrong by.
  var offsetError = 0
  var hasZip64End = false
  var zip64LocatorError = 0

  init(_ entries: [Entry]) { self.entries = entries }

  var bytes: [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      file += entry.gap
      let offset = entry.offset ?? UInt32(file.count)
      let sizes = [
        entry.size ?? UInt32(entry.data.count), entry.compressedSize ?? UInt32(entry.data.count),
      ]
      let localSizes = entry.localSizes ?? sizes
      let localName = entry.localName ?? entry.name
      file += UInt32(0x0403_4b50).littleEndianBytes + UInt16(45).littleEndianBytes
      file += (entry.localFlags ?? entry.flags).littleEndianBytes + entry.method.littleEndianBytes
      file += [0, 0, 0x21, 0] + (entry.localCRC ?? entry.crc).littleEndianBytes
      file += localSizes[1].littleEndianBytes + localSizes[0].littleEndianBytes
      file += UInt16(localName.count).littleEndianBytes
      file += UInt16(entry.localExtra.count).littleEndianBytes + localName + entry.localExtra
      file += entry.data + entry.descriptor
      directory += UInt32(0x0201_4b50).littleEndianBytes + [45, 3, 45, 0]
      directory += entry.flags.littleEndianBytes + entry.method.littleEndianBytes
      directory += [0, 0, 0x21, 0] + entry.crc.littleEndianBytes
      directory += sizes[1].littleEndianBytes + sizes[0].littleEndianBytes
      directory += UInt16(entry.name.count).littleEndianBytes
      directory += UInt16(entry.extra.count).littleEndianBytes
      directory += [UInt8](repeating: 0, count: 10) + offset.littleEndianBytes
      directory += entry.name + entry.extra
    }
    let directoryOffset = file.count + offsetError
    let count = declaredEntryCount ?? entries.count
    file += directory
    if hasZip64End {
      let recordOffset = file.count + zip64LocatorError
      file += UInt32(0x0606_4b50).littleEndianBytes + UInt64(44).littleEndianBytes
      file += [45, 3, 45, 0] + [UInt8](repeating: 0, count: 8)
      file += UInt64(count).littleEndianBytes + UInt64(count).littleEndianBytes
      file += UInt64(directory.count).littleEndianBytes
      file += UInt64(directoryOffset).littleEndianBytes
      file += UInt32(0x0706_4b50).littleEndianBytes + [0, 0, 0, 0]
      file += UInt64(recordOffset).littleEndianBytes + [1, 0, 0, 0]
    }
    file += UInt32(0x0605_4b50).littleEndianBytes + [0, 0, 0, 0]
    let small = hasZip64End ? UInt16.max : UInt16(count)
    file += small.littleEndianBytes + small.littleEndianBytes
    file += (hasZip64End ? UInt32.max : UInt32(directory.count)).littleEndianBytes
    file += (hasZip64End ? UInt32.max : UInt32(directoryOffset)).littleEndianBytes
    file += UInt16(declaredCommentByteCount ?? comment.count).littleEndianBytes + comment
    return file
  }

  /// A zip64 field with these values.
  static func zip64(_ values: [UInt64]) -> [UInt8] {
    [1, 0] + UInt16(values.count * 8).littleEndianBytes + values.flatMap(\.littleEndianBytes)
  }
}

/// CRC-32, bit by bit.
func checksum(_ bytes: [UInt8]) -> UInt32 {
  ~bytes.reduce(~0) { crc, byte in
    (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
  }
}
