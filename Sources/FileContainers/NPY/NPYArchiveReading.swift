public import TensorModel

/// Opens the arrays of one archive: there can be a million, most of them with headers like those before them.
public struct NPYArchiveReading {
  private let archive: FileRegion
  private var window: ZipWindow
  private var lastText: [UInt8] = []
  private var lastHeader: NPYHeader?

  /// For the members of an archive, best in the order of the file.
  public init(_ archive: FileRegion) {
    self.archive = archive
    window = ZipWindow(archive)
  }

  /// The array that a member is.
  ///
  /// - Throws: as `NPYArray`.
  public mutating func array(_ contents: ZipMemberContents) throws(CheckpointError) -> NPYArray {
    var start = try self.start(of: contents)
    if let lastHeader, start.starts(with: lastText) { return try NPYArray(contents, lastHeader) }
    let headerByteCount = try NPYHeader.byteCount(startingWith: start)
    if headerByteCount > start.count { start = try contents.head(headerByteCount) }
    let header = try NPYHeader(parsing: start)
    (lastText, lastHeader) = (Array(start.prefix(headerByteCount)), header)
    return try NPYArray(contents, header)
  }

  private mutating func start(of contents: ZipMemberContents) throws(CheckpointError) -> [UInt8] {
    let member = contents.member
    guard member.method == .stored else { return try contents.head(NPYArray.usualHeaderByteCount) }
    return Array(
      try window.bytes(
        at: member.region.offset - archive.offset,
        count: min(NPYArray.usualHeaderByteCount, member.byteCount)))
  }
}
