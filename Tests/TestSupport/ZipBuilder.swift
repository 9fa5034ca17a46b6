/// Writes zip archives that can break any rule.
public struct ZipBuilder {
  /// A member.
  public struct Entry {
    /// Its name in the directory.
    public var name: [UInt8]
    /// Its bytes as they stand in the file.
    public var data: [UInt8]
    /// Its name in the local header, if that is another.
    public var localName: [UInt8]?
    /// 0 for stored, 8 for deflated.
    public var method: UInt16 = 0
    /// Flags in the directory.
    public var flags: UInt16 = 0
    /// Flags in the local header, if these are others.
    public var localFlags: UInt16?
    /// The checksum in the directory.
    public var crc: UInt32
    /// The checksum in the local header, if that is another.
    public var localCRC: UInt32?
    /// The size that the directory has; nil for the true one.
    public var size: UInt32?
    /// The compressed size that the directory has; nil for the true one.
    public var compressedSize: UInt32?
    /// The offset that the directory has; nil for the true one.
    public var offset: UInt32?
    /// Size and compressed size as the local header has them.
    public var localSizes: [UInt32]?
    /// Extra fields in the directory.
    public var extra: [UInt8] = []
    /// Extra fields in the local header.
    public var localExtra: [UInt8] = []
    /// Bytes after the data.
    public var descriptor: [UInt8] = []
    /// Bytes before the local header.
    public var gap: [UInt8] = []

    /// A stored member.
    public init(_ name: String, _ data: [UInt8], crc: UInt32? = nil) {
      self.name = Array(name.utf8)
      self.data = data
      self.crc = crc ?? checksum(data)
    }
  }

  /// The members.
  public var entries: [Entry]
  /// How many the end record says there are; nil for the true number.
  public var declaredEntryCount: Int?
  /// The archive's comment.
  public var comment: [UInt8] = []
  /// How long the end record says the comment is; nil for the truth.
  public var declaredCommentByteCount: Int?
  /// What the end record's directory offset is wrong by.
  public var offsetError = 0
  /// Whether there is a zip64 end record.
  public var hasZip64End = false
  /// What the locator of the zip64 end record is wrong by.
  public var zip64LocatorError = 0

  /// An archive of these members.
  public init(_ entries: [Entry]) { self.entries = entries }

  /// The archive.
  public var bytes: [UInt8] {
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
  public static func zip64(_ values: [UInt64]) -> [UInt8] {
    [1, 0] + UInt16(values.count * 8).littleEndianBytes + values.flatMap(\.littleEndianBytes)
  }
}

/// CRC-32, bit by bit.
public func checksum(_ bytes: [UInt8]) -> UInt32 {
  ~bytes.reduce(~0) { crc, byte in
    (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
  }
}

extension FixedWidthInteger {
  /// The bytes of it, least significant first.
  public var littleEndianBytes: [UInt8] {
    (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) }
  }
}
