import TensorModel

/// An entry of the central directory (part 2 of the layout).
struct ZipDirectoryEntry {
  /// Where it stands in the file.
  let offset: Int
  let name: String
  let flags: UInt16
  let method: ZipMethod
  let crc: UInt32
  let compressedByteCount: Int
  let byteCount: Int
  let localHeaderOffset: Int

  var isDirectory: Bool { name.utf8.last == UInt8(ascii: "/") }

  /// A deflate stream can't expand by more than this (https://zlib.net/zlib_tech.html).
  private static let largestDeflateRatio = 1032

  /// How many entries are parsed at a time.
  private static let pieceCount = 16_384

  /// All entries; whether their names differ is for `checkNames`.
  ///
  /// - Throws: `malformed`, `unsupported` or `inputOutput`.
  static func entries(
    of region: FileRegion, _ end: ZipEnd
  ) throws(CheckpointError) -> [ZipDirectoryEntry] {
    let directory = LittleEndianBytes(
      try region.bytes(at: end.directoryOffset, count: end.directoryByteCount)[...],
      base: end.directoryOffset)
    let (starts, count, rest) = starts(in: directory)
    let entries = try ParallelPieces.elements(count, Self.pieceCount) {
      (run, take) throws(CheckpointError) in
      var position = starts[run.lowerBound / Self.pieceCount]
      for _ in run {
        let (entry, byteCount) = try entry(in: directory, at: position)
        guard entry.localHeaderOffset <= directory.base else {
          throw CheckpointError(
            .malformed, "zip entry '\(entry.name)' lies behind the directory",
            byteOffset: entry.offset, expected: "at most \(directory.base)",
            found: "\(entry.localHeaderOffset)")
        }
        take(entry)
        position += byteCount
      }
    }
    // What follows is none, and this says why.
    if rest < directory.count { _ = try entry(in: directory, at: rest) }
    guard entries.count == end.entryCount else {
      throw CheckpointError(
        .malformed, "wrong number of zip entries", byteOffset: end.directoryOffset,
        expected: "\(end.entryCount)", found: "\(entries.count)",
        hint: "the archive was damaged or changed; get it again")
    }
    return entries
  }

  /// Where every so many entries begin, how many there are up to the first that can't be one, and where that is.
  private static func starts(
    in directory: LittleEndianBytes
  ) -> (starts: [Int], count: Int, rest: Int) {
    var starts: [Int] = []
    var (position, count) = (0, 0)
    while directory.count - position >= fixedByteCount,
      directory.u32(position) == ZipSignature.directoryEntry
    {
      if count % pieceCount == 0 { starts.append(position) }
      position +=
        fixedByteCount + Int(directory.u16(position + 28)) + Int(directory.u16(position + 30))
        + Int(directory.u16(position + 32))
      count += 1
    }
    return (starts, count, position)
  }

  /// Makes sure that no two entries have the same name.
  ///
  /// - Throws: `malformed`.
  static func checkNames(_ entries: [ZipDirectoryEntry]) throws(CheckpointError) {
    // Where no two hashes are the same no names are, which is seen several times as fast.
    var hashes = entries.map { ExactName($0.name).hashValue }
    hashes.sort()
    guard zip(hashes, hashes.dropFirst()).contains(where: ==) else { return }
    var names: Set<ExactName> = []
    names.reserveCapacity(entries.count)
    for entry in entries {
      guard names.insert(ExactName(entry.name)).inserted else {
        throw CheckpointError(
          .malformed, "the same zip entry twice: '\(entry.name)'", byteOffset: entry.offset,
          hint: "readers would disagree about which one counts; don't trust this file")
      }
    }
  }

  /// What an entry has before its name.
  private static let fixedByteCount = 46

  private static func entry(
    in directory: LittleEndianBytes, at position: Int
  ) throws(CheckpointError) -> (ZipDirectoryEntry, byteCount: Int) {
    let offset = directory.base + position
    let available = directory.count - position
    guard available >= fixedByteCount, directory.u32(position) == ZipSignature.directoryEntry
    else {
      let found = directory.part(position, 4).map { hexadecimal($0.u32(0)) }
      throw CheckpointError(
        .malformed, "not an entry of a zip directory", byteOffset: offset,
        expected: hexadecimal(ZipSignature.directoryEntry), found: found ?? "\(available) bytes")
    }
    let nameCount = Int(directory.u16(position + 28))
    let extraCount = Int(directory.u16(position + 30))
    let byteCount = fixedByteCount + nameCount + extraCount + Int(directory.u16(position + 32))
    guard available >= byteCount,
      let nameField = directory.part(position + fixedByteCount, nameCount),
      let extra = directory.part(position + fixedByteCount + nameCount, extraCount)
    else {
      throw CheckpointError(
        .malformed, "the zip directory ends inside an entry", byteOffset: offset,
        expected: "\(byteCount) bytes", found: "\(available)")
    }
    let name = try ArchivePath.zipName(nameField.bytes, at: nameField.base)
    let flags = directory.u16(position + 8)
    try checkFlags(flags, name, at: offset)
    let method = try ZipMethod(checking: directory.u16(position + 10), name, at: offset)
    guard directory.u16(position + 34) == 0 else {
      throw CheckpointError(
        .unsupported, "zip entry '\(name)' is in another file", byteOffset: offset,
        expected: "disk 0", found: "\(directory.u16(position + 34))")
    }
    let small = SIMD4(
      directory.u32(position + 24), directory.u32(position + 20), directory.u32(position + 42), 0)
    let sizes = try ZipExtraFields(extra, name: nameField.bytes).resolve(small, count: 3)
    guard let size = Int(exactly: sizes[0]), let compressed = Int(exactly: sizes[1]),
      let localOffset = Int(exactly: sizes[2])
    else {
      throw CheckpointError(
        .malformed, "zip entry '\(name)' has an impossible size or offset", byteOffset: offset,
        expected: "less than 2^63", found: "\([sizes[0], sizes[1], sizes[2]])")
    }
    let entry = ZipDirectoryEntry(
      offset: offset, name: name, flags: flags, method: method,
      crc: directory.u32(position + 16), compressedByteCount: compressed, byteCount: size,
      localHeaderOffset: localOffset)
    try entry.checkSizes(at: offset)
    return (entry, byteCount)
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
    switch method {
    case .stored:
      guard byteCount == compressedByteCount else {
        throw impossibleSize(at: offset, "\(compressedByteCount) bytes, as many as are stored")
      }
    case .deflated:
      // Compressed data are later seen to lie within the file; until then they may have any size.
      let (limit, overflow) = compressedByteCount.multipliedReportingOverflow(
        by: Self.largestDeflateRatio)
      guard overflow || byteCount - 64 <= limit else {
        throw impossibleSize(at: offset, "at most \(limit) + 64 bytes")
      }
    }
    if isDirectory, byteCount != 0 || crc != 0 {
      throw CheckpointError(
        .malformed, "zip entry '\(name)' is a directory with contents", byteOffset: offset,
        expected: "0 bytes", found: "\(byteCount)")
    }
  }

  private func impossibleSize(at offset: Int, _ expected: String) -> CheckpointError {
    CheckpointError(
      .malformed, "zip entry '\(name)' has an impossible size", byteOffset: offset,
      expected: expected, found: "\(byteCount)")
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
