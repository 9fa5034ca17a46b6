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

  /// Whether it is a directory: its name ends in `/`, and it has no data.
  public var isDirectory: Bool { name.hasSuffix("/") }
  /// Bytes of the data as they are stored.
  public var compressedByteCount: Int { region.byteCount }
}

/// A zip archive, read by its central directory, with which everything else in the file must agree.
///
/// Costs the directory's bytes of memory; no member's data are read.
public struct ZipArchive: Sendable {
  /// The entries in the order of the directory.
  public let members: [ZipMember]

  /// Reads the directory and all local headers.
  ///
  /// - Parameter region: the archive and nothing else.
  /// - Throws: `malformed` for anything that readers could disagree about; `unsupported` for encryption and for compression
  ///   other than deflate; `inputOutput`.
  public init(_ region: FileRegion) throws(CheckpointError) {
    let end = try ZipEnd(of: region)
    let entries = try ZipDirectoryEntry.entries(of: region, end)
    let order = entries.indices.sorted {
      entries[$0].localHeaderOffset < entries[$1].localHeaderOffset
    }
    let first = order.first.map { entries[$0].localHeaderOffset } ?? end.directoryOffset
    guard first == 0 else {
      throw CheckpointError(
        .malformed, "bytes before the first entry of a zip archive", byteOffset: 0,
        expected: "a local header", found: "\(first) other bytes",
        hint: "something else is hidden in this file; don't trust it")
    }
    // Each entry must end exactly where the next one, or the directory, begins.
    let ends = order.dropFirst().map { entries[$0].localHeaderOffset } + [end.directoryOffset]
    var data = [FileRegion?](repeating: nil, count: entries.count)
    for (index, end) in zip(order, ends) {
      data[index] = try entries[index].data(in: region, endingAt: end)
    }
    members = zip(entries, data).compactMap { entry, data in
      data.map {
        ZipMember(
          name: entry.name, method: entry.method, crc: entry.crc, byteCount: entry.byteCount,
          region: $0)
      }
    }
  }
}
