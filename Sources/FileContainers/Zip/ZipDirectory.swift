import TensorModel

/// An entry of the central directory (part 2 of the layout).
struct ZipDirectoryEntry {
  let nameBytes: ArraySlice<UInt8>
  let name: String
  let flags: UInt16
  let method: ZipMethod
  let crc: UInt32
  let compressedByteCount: Int
  let byteCount: Int
  let localHeaderOffset: Int

  var isDirectory: Bool { name.hasSuffix("/") }

  /// A deflate stream can't expand by more than this (https://zlib.net/zlib_tech.html).
  private static let largestDeflateRatio = 1032

  /// All entries.
  ///
  /// - Throws: `malformed`, `unsupported` or `inputOutput`.
  static func entries(
    of region: FileRegion, _ end: ZipEnd
  ) throws(CheckpointError) -> [ZipDirectoryEntry] {
    let directory = LittleEndianBytes(
      try region.bytes(at: end.directoryOffset, count: end.directoryByteCount)[...],
      base: end.directoryOffset)
    var entries: [ZipDirectoryEntry] = []
    entries.reserveCapacity(end.entryCount)
    var names: Set<ExactName> = []
    names.reserveCapacity(end.entryCount)
    var position = 0
    while position < directory.count {
      let (entry, byteCount) = try entry(in: directory, at: position)
      guard names.insert(ExactName(entry.name)).inserted else {
        throw CheckpointError(
          .malformed, "the same zip entry twice: '\(entry.name)'",
          byteOffset: directory.base + position,
          hint: "readers would disagree about which one counts; don't trust this file")
      }
      guard entry.localHeaderOffset <= end.directoryOffset else {
        throw CheckpointError(
          .malformed, "zip entry '\(entry.name)' lies behind the directory",
          byteOffset: directory.base + position, expected: "at most \(end.directoryOffset)",
          found: "\(entry.localHeaderOffset)")
      }
      entries.append(entry)
      position += byteCount
    }
    guard entries.count == end.entryCount else {
      throw CheckpointError(
        .malformed, "wrong number of zip entries", byteOffset: end.directoryOffset,
        expected: "\(end.entryCount)", found: "\(entries.count)",
        hint: "the archive was damaged or changed; get it again")
    }
    return entries
  }

  private static func entry(
    in directory: LittleEndianBytes, at position: Int
  ) throws(CheckpointError) -> (ZipDirectoryEntry, byteCount: Int) {
    let offset = directory.base + position
    guard let header = directory.part(position, 46), header.u32(0) == ZipSignature.directoryEntry
    else {
      let found = directory.part(position, 4).map { hexadecimal($0.u32(0)) }
      throw CheckpointError(
        .malformed, "not an entry of a zip directory", byteOffset: offset,
        expected: hexadecimal(ZipSignature.directoryEntry),
        found: found ?? "\(directory.count - position) bytes")
    }
    let (nameCount, extraCount) = (Int(header.u16(28)), Int(header.u16(30)))
    let commentCount = Int(header.u16(32))
    guard let nameField = directory.part(position + 46, nameCount),
      let extra = directory.part(position + 46 + nameCount, extraCount),
      directory.part(position + 46 + nameCount + extraCount, commentCount) != nil
    else {
      throw CheckpointError(
        .malformed, "the zip directory ends inside an entry", byteOffset: offset,
        expected: "\(46 + nameCount + extraCount + commentCount) bytes",
        found: "\(directory.count - position)")
    }
    let name = try ArchivePath.zipName(nameField.bytes, at: nameField.base)
    try checkFlags(header.u16(8), name, at: offset)
    let method = try ZipMethod(checking: header.u16(10), name, at: offset)
    guard header.u16(34) == 0 else {
      throw CheckpointError(
        .unsupported, "zip entry '\(name)' is in another file", byteOffset: offset,
        expected: "disk 0", found: "\(header.u16(34))")
    }
    let sizes = try ZipExtraFields(extra, name: nameField.bytes)
      .resolve([header.u32(24), header.u32(20), header.u32(42)])
    guard let byteCount = Int(exactly: sizes[0]), let compressed = Int(exactly: sizes[1]),
      let localOffset = Int(exactly: sizes[2])
    else {
      throw CheckpointError(
        .malformed, "zip entry '\(name)' has an impossible size or offset", byteOffset: offset,
        expected: "less than 2^63", found: "\(sizes)")
    }
    let entry = ZipDirectoryEntry(
      nameBytes: nameField.bytes, name: name, flags: header.u16(8), method: method,
      crc: header.u32(16), compressedByteCount: compressed, byteCount: byteCount,
      localHeaderOffset: localOffset)
    try entry.checkSizes(at: offset)
    return (entry, 46 + nameCount + extraCount + commentCount)
  }

  /// Refuses encryption and whatever else would change what the data mean.
  static func checkFlags(
    _ flags: UInt16, _ name: String, at offset: Int
  ) throws(CheckpointError) {
    guard flags & ZipFlags.encrypted == 0 else {
      throw CheckpointError(
        .unsupported, "zip entry '\(name)' is encrypted", byteOffset: offset,
        hint: "unpack it with the password first")
    }
    guard flags & ~ZipFlags.understood == 0 else {
      throw CheckpointError(
        .unsupported, "zip entry '\(name)' uses features that aren't supported",
        byteOffset: offset, expected: "no flags but \(hexadecimal(UInt32(ZipFlags.understood)))",
        found: hexadecimal(UInt32(flags)))
    }
  }

  private func checkSizes(at offset: Int) throws(CheckpointError) {
    let fits: Bool
    let expected: String
    switch method {
    case .stored:
      fits = byteCount == compressedByteCount
      expected = "\(compressedByteCount) bytes, as many as are stored"
    case .deflated:
      // Compressed data are later seen to lie within the file; until then they may have any size.
      let (limit, overflow) = compressedByteCount.multipliedReportingOverflow(
        by: Self.largestDeflateRatio)
      fits = overflow || byteCount - 64 <= limit
      expected = "at most \(overflow ? Int.max : limit) + 64 bytes"
    }
    guard fits else {
      throw CheckpointError(
        .malformed, "zip entry '\(name)' has an impossible size", byteOffset: offset,
        expected: expected, found: "\(byteCount)")
    }
    if isDirectory, byteCount != 0 || crc != 0 {
      throw CheckpointError(
        .malformed, "zip entry '\(name)' is a directory with contents", byteOffset: offset,
        expected: "0 bytes", found: "\(byteCount)")
    }
  }
}

/// How a zip member's data are stored.
public enum ZipMethod: UInt16, Sendable, Hashable {
  /// As they are.
  case stored = 0
  /// As a raw deflate stream (RFC 1951).
  case deflated = 8

  /// Names of others, from section 4.4.5 of the specification.
  private static let refused: [UInt16: String] = [
    1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "lzma", 20: "zstd (deprecated)",
    93: "zstd", 94: "mp3", 95: "xz", 96: "jpeg", 97: "wavpack", 98: "ppmd", 99: "AES encryption",
  ]

  /// A method that can be read.
  init(checking value: UInt16, _ name: String, at offset: Int) throws(CheckpointError) {
    guard let method = ZipMethod(rawValue: value) else {
      throw CheckpointError(
        .unsupported, "zip entry '\(name)' is compressed in a way that isn't supported",
        byteOffset: offset, expected: "stored (0) or deflate (8)",
        found: "\(Self.refused[value] ?? "method") (\(value))",
        hint: "load it with numpy and save it again with numpy.savez")
    }
    self = method
  }
}
