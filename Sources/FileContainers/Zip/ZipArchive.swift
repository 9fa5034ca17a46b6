public import TensorModel

/// An entry of a zip archive whose headers have been checked; its data haven't.
public struct ZipMember: Sendable {
  /// The name, such as `arr_0.npy`, relative and in its simplest form.
  public let name: String
  /// How the data are stored.
  public let method: ZipMethod
  /// The CRC-32 that the uncompressed data must have.
  public let crc: UInt32
  /// Bytes of the uncompressed data.
  public let byteCount: Int
  /// The data as they are stored.
  public let region: FileRegion
  /// The archive that it is in.
  let sizes: ZipSizes

  /// Whether it is a directory: its name ends in `/`, and it has no data.
  public var isDirectory: Bool { name.utf8.last == UInt8(ascii: "/") }
  /// Bytes of the data as they are stored.
  public var compressedByteCount: Int { region.byteCount }
}

/// The sizes of an archive as a whole.
final class ZipSizes: Sendable {
  /// Its own.
  let byteCount: Int
  /// Of all members that have to be unpacked, unpacked.
  let unpackedByteCount: Int

  init(_ region: FileRegion, _ entries: [ZipDirectoryEntry]) {
    byteCount = region.byteCount
    unpackedByteCount = entries.reduce(0) { sum, entry in
      guard entry.method == .deflated else { return sum }
      let (total, overflow) = sum.addingReportingOverflow(entry.byteCount)
      return overflow ? Int.max : total
    }
  }
}

/// A zip archive, read by its central directory, with which everything else in the file must agree.
///
/// Costs the directory's bytes of memory; no member's data are read.
public struct ZipArchive: Sendable {
  /// The entries in the order of the directory.
  public let members: [ZipMember]

  /// Whether the directory may have an entry of that name, in whatever folder; looks at its bytes alone.
  ///
  /// - Throws: as `init`.
  public static func mentions(_ name: String, in region: FileRegion) throws(CheckpointError) -> Bool
  {
    let end = try ZipEnd(of: region)
    let directory = try region.bytes(at: end.directoryOffset, count: end.directoryByteCount)
    let name = Array(name.utf8)
    guard let first = name.first else { return true }
    return directory.withUnsafeBufferPointer { bytes in
      bytes.indices.contains {
        bytes[$0] == first && bytes[$0...].prefix(name.count).elementsEqual(name)
      }
    }
  }

  /// Reads the directory and all local headers.
  ///
  /// - Parameter region: the archive and nothing else.
  /// - Throws: `malformed` for anything that readers could disagree about; `unsupported` for encryption and for compression
  ///   other than deflate; `inputOutput`.
  public init(_ region: FileRegion) throws(CheckpointError) {
    let end = try ZipEnd(of: region)
    let entries = try ZipDirectoryEntry.entries(of: region, end)
    // Mostly the directory has the entries in the order of the file.
    let offsets = entries.map(\.localHeaderOffset)
    let isInOrder = zip(offsets, offsets.dropFirst()).allSatisfy(<)
    let order =
      isInOrder
      ? Array(entries.indices)
      : entries.indices.sorted { offsets[$0] < offsets[$1] }
    let first = order.first.map { offsets[$0] } ?? end.directoryOffset
    guard first == 0 else {
      throw CheckpointError(
        .malformed, "bytes before the first entry of a zip archive", byteOffset: 0,
        expected: "a local header", found: "\(first) other bytes",
        hint: "something else is hidden in this file; don't trust it")
    }
    // Each entry must end exactly where the next one, or the directory, begins. The first piece of the work is something else.
    let runs = ParallelPieces.runs(of: order.count, Self.runCount)
    let found = try ParallelPieces.map(runs.count + 1, isSmall: runs.count <= 1) {
      (piece) throws(CheckpointError) -> [Int] in
      guard piece > 0 else {
        try ZipDirectoryEntry.checkNames(entries)
        return []
      }
      var window = ZipWindow(region)
      var data: [Int] = []
      data.reserveCapacity(Self.runCount)
      for place in runs[piece - 1] {
        let next = place + 1 < order.count ? offsets[order[place + 1]] : end.directoryOffset
        data.append(try entries[order[place]].dataOffset(&window, endingAt: next))
      }
      return data
    }
    let sizes = ZipSizes(region, entries)
    let dataOffsets = Array(found.joined())
    let places = isInOrder ? order : order.indices.sorted { order[$0] < order[$1] }
    var members: [ZipMember] = []
    members.reserveCapacity(entries.count)
    for (entry, place) in zip(entries, places) {
      members.append(
        ZipMember(
          name: entry.name, method: entry.method, crc: entry.crc, byteCount: entry.byteCount,
          region: FileRegion(
            file: region.file, offset: region.offset + dataOffsets[place],
            byteCount: entry.compressedByteCount), sizes: sizes))
    }
    self.members = members
  }

  /// How many local headers are read at a time.
  private static let runCount = 16_384
}

/// Small pieces of a file, most of them close behind each other: an archive can have a million headers, and a call for each takes long.
struct ZipWindow {
  private let region: FileRegion
  private var bytes: [UInt8] = []
  private var start = 0

  /// What is read at once where headers are far apart, and where they follow each other.
  private static let (single, several) = (1 << 10, 64 << 10)
  /// How far the next piece may be away to count as close.
  private static let closeness = 4 << 10

  /// Over an archive.
  init(_ region: FileRegion) { self.region = region }

  /// Some of the bytes.
  ///
  /// - Throws: `malformed` if they aren't within the file, `inputOutput`.
  mutating func bytes(at position: Int, count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
    let end = start + bytes.count
    if position < start || position + count > end {
      let isClose = position >= start && position - end <= Self.closeness
      let wanted = max(count, isClose && end > 0 ? Self.several : Self.single)
      bytes = try region.bytes(
        at: position, count: max(count, min(wanted, region.byteCount - position)))
      start = position
    }
    return bytes[(position - start)..<(position - start + count)]
  }
}
