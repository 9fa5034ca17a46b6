import TensorModel

/// Where the central directory lies, as the end of the archive says (parts 3 to 5 of the layout).
struct ZipEnd {
  /// Where the directory begins.
  let directoryOffset: Int
  /// How long it is; it ends exactly where the end records begin.
  let directoryByteCount: Int
  /// How many entries it must have.
  let entryCount: Int

  /// The most bytes that a directory may have: more than two million entries.
  static let maximumDirectoryByteCount = 256 << 20
  private static let recordByteCount = 22

  /// Finds and checks the end records.
  ///
  /// - Throws: `malformed`, `unsupported`, or `inputOutput`.
  init(of region: FileRegion) throws(CheckpointError) {
    let (record, offset) = try Self.record(of: region)
    var directoryEnd = offset
    var entries = UInt64(record.u16(10))
    var entriesHere = UInt64(record.u16(8))
    var byteCount = UInt64(record.u32(12))
    var start = UInt64(record.u32(16))
    var disks = [UInt32(record.u16(4)), UInt32(record.u16(6))]
    if let (zip64, zip64Offset) = try Self.zip64Record(of: region, before: offset) {
      // Each 16- or 32-bit field is either full, which means "see there", or the same number.
      for (small, full, large) in [
        (entries, 0xffff, zip64.u64(32)), (entriesHere, 0xffff, zip64.u64(24)),
        (byteCount, 0xffff_ffff, zip64.u64(40)), (start, 0xffff_ffff, zip64.u64(48)),
      ] where small != full && small != large {
        throw CheckpointError(
          .malformed, "the end of the zip directory and its zip64 form disagree",
          byteOffset: offset, expected: "\(large)", found: "\(small)")
      }
      disks = [zip64.u32(16), zip64.u32(20)]
      (entriesHere, entries) = (zip64.u64(24), zip64.u64(32))
      (byteCount, start) = (zip64.u64(40), zip64.u64(48))
      directoryEnd = zip64Offset
    }
    guard disks == [0, 0], entriesHere == entries else {
      throw CheckpointError(
        .unsupported, "part of a zip archive in several files", byteOffset: offset,
        hint: "join the parts into one file first")
    }
    guard let start = Int(exactly: start), let byteCount = Int(exactly: byteCount),
      let entries = Int(exactly: entries), byteCount <= directoryEnd,
      start == directoryEnd - byteCount
    else {
      throw CheckpointError(
        .malformed, "the zip directory doesn't end where its end record begins",
        byteOffset: offset, expected: "directory offset + size = \(directoryEnd)",
        found: "\(start) + \(byteCount)",
        hint: "bytes were put before the archive or cut from it; get the file again")
    }
    guard byteCount <= Self.maximumDirectoryByteCount else {
      throw CheckpointError(
        .unsupported, "zip directory too large", byteOffset: start,
        expected: "at most \(Self.maximumDirectoryByteCount) bytes", found: "\(byteCount)",
        hint: "spread the arrays over several files")
    }
    guard entries <= byteCount / 46 else {
      throw CheckpointError(
        .malformed, "more zip entries declared than the directory has room for",
        byteOffset: offset, expected: "at most \(byteCount / 46)", found: "\(entries)")
    }
    directoryOffset = start
    directoryByteCount = byteCount
    entryCount = entries
  }

  /// The end record: its comment must reach exactly to the end of the file, and no other record may claim the same.
  private static func record(
    of region: FileRegion
  ) throws(CheckpointError) -> (LittleEndianBytes, offset: Int) {
    let tailByteCount = Swift.min(region.byteCount, recordByteCount + 0xffff)
    let base = region.byteCount - tailByteCount
    let tail = LittleEndianBytes(try region.bytes(at: base, count: tailByteCount)[...], base: base)
    var found: LittleEndianBytes?
    var position = tailByteCount - recordByteCount
    while position >= 0 {
      // The first byte alone rules out most places quickly.
      if tail.bytes[position] == 0x50, tail.u32(position) == ZipSignature.end,
        Int(tail.u16(position + 20)) == tailByteCount - recordByteCount - position
      {
        guard found == nil else {
          throw CheckpointError(
            .malformed, "two end records in one zip archive", byteOffset: base + position,
            hint: "readers would disagree about its contents; don't trust this file")
        }
        found = tail.part(position, recordByteCount)
      }
      position -= 1
    }
    guard let found else {
      throw CheckpointError(
        .malformed, "no end of a zip archive", byteOffset: region.byteCount,
        expected: "an end record whose comment reaches the end of the file",
        found: "\(region.byteCount) bytes without one",
        hint:
          "the file is cut short, has bytes behind its end, or isn't a zip archive; get it again")
    }
    return (found, found.base)
  }

  /// The zip64 end record, if a locator stands before the end record.
  private static func zip64Record(
    of region: FileRegion, before end: Int
  ) throws(CheckpointError) -> (LittleEndianBytes, offset: Int)? {
    let locatorOffset = end - 20
    guard locatorOffset >= 0 else { return nil }
    let locator = LittleEndianBytes(
      try region.bytes(at: locatorOffset, count: 20)[...], base: locatorOffset)
    guard locator.u32(0) == ZipSignature.zip64Locator else { return nil }
    let recordOffset = locatorOffset - 56
    guard recordOffset >= 0, locator.u64(8) == UInt64(recordOffset) else {
      throw CheckpointError(
        .malformed, "the zip64 end record isn't just before its locator",
        byteOffset: locatorOffset, expected: "offset \(recordOffset)",
        found: "\(locator.u64(8))")
    }
    guard locator.u32(4) == 0, locator.u32(16) <= 1 else {
      throw CheckpointError(
        .unsupported, "part of a zip archive in several files", byteOffset: locatorOffset,
        hint: "join the parts into one file first")
    }
    let record = LittleEndianBytes(
      try region.bytes(at: recordOffset, count: 56)[...], base: recordOffset)
    guard record.u32(0) == ZipSignature.zip64End, record.u64(4) == 44 else {
      throw CheckpointError(
        .malformed, "not a zip64 end record of 56 bytes", byteOffset: recordOffset,
        expected: "\(hexadecimal(ZipSignature.zip64End)) and 44 bytes",
        found: "\(hexadecimal(record.u32(0))) and \(record.u64(4)) bytes")
    }
    return (record, recordOffset)
  }
}
