import CTensorKernels
public import TensorModel

/// An npy array: its header, and reading regions of its elements from a file or a zip member.
public struct NPYArray: Sendable {
  /// What the array is.
  public let header: NPYHeader
  /// All of the file or member, header included.
  public let contents: any RandomAccessBytes
  /// Bytes of the elements.
  public let byteCount: Int

  /// Reads the header and compares the size of the contents with it; no element is read.
  ///
  /// - Throws: `malformed` if it isn't an npy array or doesn't have exactly the declared bytes; `unsupported` for its version or
  ///   element type; `inputOutput`.
  public init(_ contents: any RandomAccessBytes) throws(CheckpointError) {
    // Mostly one read: there can be a million arrays.
    var start = try contents.head(Self.usualHeaderByteCount)
    let headerByteCount = try NPYHeader.byteCount(startingWith: start)
    if headerByteCount > start.count { start = try contents.head(headerByteCount) }
    try self.init(contents, NPYHeader(parsing: start))
  }

  /// An array whose header has been read.
  ///
  /// - Throws: `malformed` if the contents don't have exactly the declared bytes.
  init(_ contents: any RandomAccessBytes, _ header: NPYHeader) throws(CheckpointError) {
    self.header = header
    self.contents = contents
    let present = contents.byteCount - header.dataOffset
    guard let byteCount = header.dtype.byteCount(elementCount: header.shape.elementCount) else {
      throw CheckpointError(
        .malformed, "an npy array of impossible size", byteOffset: 8, expected: "\(present) bytes",
        found: "\(header.dtype.rawValue) \(header.shape)")
    }
    guard byteCount == present else {
      throw CheckpointError(
        .malformed,
        byteCount > present ? "an npy array ends early" : "bytes after an npy array",
        byteOffset: header.dataOffset,
        expected: "\(byteCount) bytes for \(header.dtype.rawValue) \(header.shape)",
        found: "\(present)", hint: "the file was damaged or changed; get it again")
    }
    self.byteCount = byteCount
  }

  /// What most headers have at most.
  static let usualHeaderByteCount = 128

  /// How regions of it are addressed.
  public var geometry: MatrixGeometry { MatrixGeometry(dtype: header.dtype, shape: header.shape) }

  /// Copies a region, little-endian and row-major, whatever the stored order.
  ///
  /// Holds at most 256 KB beside `destination`, which is aligned to its elements.
  ///
  /// - Throws: what reading the contents throws.
  public func read(
    _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    guard region.cellCount > 0 else { return }
    let geometry = geometry
    if header.isFortranOrder && header.shape.rank > 1 {
      try readTransposing(geometry, region, into: destination)
    } else {
      try contents.read(matrixAt: header.dataOffset, geometry, region, into: destination)
    }
    guard header.isBigEndian else { return }
    // A complex number is two.
    let numberByteCount = header.dtype == .c64 ? 4 : geometry.cellByteCount
    wb_swap_rows(
      destination.base, destination.rowStride, region.rows.count,
      region.columns.count * geometry.cellByteCount, numberByteCount)
  }
}

/// Opens the arrays of one archive: there can be a million, most of them with headers like those before them.
public struct NPYArchiveReading {
  private let archive: FileRegion
  private let unpacking: Unpacking
  private var window: ZipWindow
  private var lastText: ArraySlice<UInt8> = []
  private var lastHeader: NPYHeader?
  private var lastCRC: UInt32 = 0

  /// For the members of an archive, best in the order of the file.
  ///
  /// - Parameters:
  ///   - archive: stays open.
  ///   - unpacking: where deflated members are unpacked, and how large the archive may become.
  public init(_ archive: FileRegion, _ unpacking: Unpacking) {
    self.archive = archive
    self.unpacking = unpacking
    window = ZipWindow(archive)
  }

  /// The array that a member is.
  ///
  /// - Throws: as `NPYArray`.
  public mutating func array(_ member: ZipMember) throws(CheckpointError) -> NPYArray {
    guard member.method == .stored else {
      return try NPYArray(ZipMemberContents(member, unpacking))
    }
    var start = try bytes(of: member, NPYArray.usualHeaderByteCount)
    let header: NPYHeader
    if let lastHeader, start.prefix(lastText.count) == lastText {
      header = lastHeader
    } else {
      let headerByteCount = try NPYHeader.byteCount(startingWith: Array(start))
      if headerByteCount > start.count { start = try bytes(of: member, headerByteCount) }
      header = try NPYHeader(parsing: Array(start))
      let text = Array(start.prefix(headerByteCount))
      (lastText, lastHeader, lastCRC) = (text[...], header, wb_crc32(0, text, text.count))
    }
    return try NPYArray(
      ZipMemberContents(member, unpacking, headByteCount: lastText.count, crc: lastCRC), header)
  }

  private mutating func bytes(
    of member: ZipMember, _ count: Int
  ) throws(CheckpointError) -> ArraySlice<UInt8> {
    try window.bytes(
      at: member.region.offset - archive.offset, count: min(count, member.byteCount))
  }
}
