import CTensorKernels
public import TensorModel

/// A zip archive of stored entries that is written without knowing their contents: everything around them, with room for the checksums.
///
/// Byte for byte what Python's zipfile made up to 3.11.3 of `open(name, "w", force_zip64=True)`, as numpy and mesh-transformer-jax call
/// it: local headers with the sizes and once more as zip64, all dates 1980-01-01, permissions 600. Later ones differ in the local headers only.
public enum ZipFrame {
  /// An entry: some bytes that are known, then some that aren't.
  public struct Entry: Sendable {
    /// The member's path.
    public let name: String
    /// What it begins with.
    public let head: [UInt8]
    /// How many bytes follow.
    public let byteCount: Int

    /// An entry.
    public init(name: String, head: [UInt8], byteCount: Int) {
      self.name = name
      self.head = head
      self.byteCount = byteCount
    }
  }

  /// Python's threshold for 64-bit fields.
  private static let limit = Int(Int32.max)
  private static let version: UInt16 = 20
  private static let zip64Version: UInt16 = 45
  private static let unix: UInt16 = 3 << 8
  /// 1980-01-01.
  private static let date: UInt16 = 1 << 5 | 1
  /// A plain file's permissions, in the upper half.
  private static let attributes: UInt32 = 0o600 << 16

  /// Lays an archive out.
  ///
  /// - Parameter entries: in their order in the file; names differ.
  /// - Returns: the frame, heads included, and where what follows each head goes.
  /// - Throws: `unsupported` for names that zip files can't hold or that aren't read back for safety's sake, and for so many entries that
  ///   their directory isn't read.
  public static func layout(_ entries: [Entry]) throws(CheckpointError) -> FileLayout {
    var frame = FileLayout.Frame(
      runCount: entries.count + 1,
      byteCount: entries.reduce(endByteCount) {
        $0 + localByteCount($1) + $1.head.count + directoryByteCount($1)
      })
    var offsets: [Int] = []
    offsets.reserveCapacity(entries.count)
    var end = 0
    for entry in entries {
      try check(entry.name)
      offsets.append(end)
      let header = localHeader(entry) + entry.head
      frame.append(header, at: end)
      end += header.count + entry.byteCount
    }
    var directory: [UInt8] = []
    directory.reserveCapacity(entries.reduce(endByteCount) { $0 + directoryByteCount($1) })
    var places: [FileLayout.Place] = []
    places.reserveCapacity(entries.count)
    for (entry, offset) in zip(entries, offsets) {
      let contents = offset + localByteCount(entry)
      places.append(
        .init(
          byteOffset: contents + entry.head.count,
          checksum: .init(
            seed: wb_crc32(0, entry.head, entry.head.count),
            byteOffsets: [offset + 14, end + directory.count + 16])))
      directory += directoryEntry(entry, at: offset)
    }
    guard directory.count <= ZipEnd.maximumDirectoryByteCount else {
      throw CheckpointError(
        .unsupported, "too many tensors for one zip archive",
        expected: "a directory of at most \(ZipEnd.maximumDirectoryByteCount) bytes",
        found: "\(directory.count)", hint: "choose another format, such as safetensors")
    }
    directory += endRecords(entries.count, directory.count, at: end)
    frame.append(directory, at: end)
    return FileLayout(byteCount: end + directory.count, frame: frame, places: places)
  }

  /// Bytes of a local header.
  private static func localByteCount(_ entry: Entry) -> Int { 30 + entry.name.utf8.count + 20 }

  /// Bytes of an entry of the directory, of small files in small archives.
  private static func directoryByteCount(_ entry: Entry) -> Int { 46 + entry.name.utf8.count }

  /// Bytes of what ends the directory, at most.
  private static let endByteCount = 56 + 20 + 22

  private static func check(_ name: String) throws(CheckpointError) {
    let bytes = Array(name.utf8)
    do throws(CheckpointError) {
      guard bytes.count <= Int(UInt16.max) else {
        throw CheckpointError(.unsupported, "a member path of more than \(UInt16.max) bytes")
      }
      _ = try ArchivePath.zipName(bytes[...], at: 0)
    } catch {
      throw CheckpointError(
        .unsupported, "a zip archive can't hold this name: \(error.message)",
        tensor: name.hasSuffix(".npy") ? String(name.dropLast(4)) : name,
        hint: "choose a format that holds any name, such as safetensors")
    }
  }

  private static func flags(_ name: String) -> UInt16 {
    name.utf8.allSatisfy { $0 < 0x80 } ? 0 : ZipFlags.isUTF8
  }

  private static func localHeader(_ entry: Entry) -> [UInt8] {
    let size = entry.head.count + entry.byteCount
    let isLarge = size > limit
    var bytes = ZipBytes()
    bytes.append(ZipSignature.localHeader)
    bytes.append(isLarge ? zip64Version : version)
    bytes.append(flags(entry.name))
    bytes.append(ZipMethod.stored.rawValue)
    bytes.append(UInt16(0))
    bytes.append(date)
    bytes.append(UInt32(0))
    for _ in 0..<2 { bytes.append(isLarge ? .max : UInt32(size)) }
    bytes.append(UInt16(entry.name.utf8.count))
    bytes.append(UInt16(20))
    bytes.bytes += Array(entry.name.utf8)
    bytes.append(zip64: [size, size])
    return bytes.bytes
  }

  private static func directoryEntry(_ entry: Entry, at offset: Int) -> [UInt8] {
    let size = entry.head.count + entry.byteCount
    let isLarge = size > limit
    let large = (isLarge ? [size, size] : []) + (offset > limit ? [offset] : [])
    let needed = large.isEmpty ? version : zip64Version
    var bytes = ZipBytes()
    bytes.append(ZipSignature.directoryEntry)
    bytes.append(needed | unix)
    bytes.append(needed)
    bytes.append(flags(entry.name))
    bytes.append(ZipMethod.stored.rawValue)
    bytes.append(UInt16(0))
    bytes.append(date)
    bytes.append(UInt32(0))
    for _ in 0..<2 { bytes.append(isLarge ? .max : UInt32(size)) }
    bytes.append(UInt16(entry.name.utf8.count))
    bytes.append(UInt16(large.isEmpty ? 0 : 4 + 8 * large.count))
    for _ in 0..<3 { bytes.append(UInt16(0)) }
    bytes.append(attributes)
    bytes.append(offset > limit ? .max : UInt32(offset))
    bytes.bytes += Array(entry.name.utf8)
    if !large.isEmpty { bytes.append(zip64: large) }
    return bytes.bytes
  }

  private static func endRecords(_ count: Int, _ byteCount: Int, at offset: Int) -> [UInt8] {
    var bytes = ZipBytes()
    if count > Int(UInt16.max) || offset > limit {
      bytes.append(ZipSignature.zip64End)
      bytes.append(UInt64(44))
      bytes.append(zip64Version)
      bytes.append(zip64Version)
      bytes.append(UInt64(0))
      for value in [count, count, byteCount, offset] { bytes.append(UInt64(value)) }
      bytes.append(ZipSignature.zip64Locator)
      bytes.append(UInt32(0))
      bytes.append(UInt64(offset + byteCount))
      bytes.append(UInt32(1))
    }
    bytes.append(ZipSignature.end)
    bytes.append(UInt32(0))
    for _ in 0..<2 { bytes.append(UInt16(clamping: count)) }
    bytes.append(UInt32(clamping: byteCount))
    bytes.append(UInt32(clamping: offset))
    bytes.append(UInt16(0))
    return bytes.bytes
  }
}

/// Little-endian records, field by field.
private struct ZipBytes {
  var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    for place in 0..<value.bitWidth / 8 {
      bytes.append(UInt8(truncatingIfNeeded: value >> (8 * place)))
    }
  }

  mutating func append(zip64 values: [Int]) {
    append(UInt16(1))
    append(UInt16(8 * values.count))
    for value in values { append(UInt64(value)) }
  }
}
