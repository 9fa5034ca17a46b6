import TensorModel

/// The bytes of a tar archive, read forwards once.
protocol TarSource: SequentialBytes {
  /// How many bytes have been read or skipped.
  var position: Int { get }

  /// Passes over bytes.
  ///
  /// - Returns: how many there were.
  func skip(_ count: Int) throws(CheckpointError) -> Int

  /// Says that nothing of interest follows.
  func endArchive() throws(CheckpointError)
}

extension SequentialRegion: TarSource {
  func endArchive() {}
}

/// A regular file in an archive.
struct TarMember {
  let path: String
  /// Where its data begin in the uncompressed archive.
  let offset: Int
  let byteCount: Int
}

/// Lists a tar archive's members (the layout is in TarHeader.swift).
///
/// Refuses everything but regular files and directories.
struct TarIndexer {
  private(set) var members: [TarMember] = []
  private(set) var findings: [Finding] = []
  private let source: any TarSource
  private var paths = TarPaths()
  private var entryCount = 0
  /// What an extended header says about the member that follows it.
  private var records: PAXRecords?
  private var longPath: [UInt8]?

  private static let maximumEntryCount = 100_000
  private static let maximumExtendedByteCount = 1 << 20
  private static let maximumTrailingByteCount = 1 << 20
  private static let refusedTypes: [Unicode.Scalar: String] = [
    "1": "a hard link", "2": "a symbolic link", "3": "a character device", "4": "a block device",
    "6": "a named pipe", "S": "a sparse file", "M": "the rest of a file from another volume",
    "V": "a volume label", "D": "a directory listing", "N": "a list of long names",
  ]

  /// Reads a whole archive.
  ///
  /// - Throws: `malformed`, `unsupported`, `corrupt`, or what the source throws.
  init(indexing source: any TarSource) throws(CheckpointError) {
    self.source = source
    while let header = try nextHeader() { try add(header.header, at: header.offset) }
    try source.endArchive()
    try checkTrailer()
  }

  /// The next header; nil at the end of the archive.
  private mutating func nextHeader() throws(CheckpointError) -> (header: TarHeader, offset: Int)? {
    let offset = source.position
    let block = try source.next(TarHeader.blockByteCount)
    let isEnd = block.allSatisfy { $0 == 0 }
    if isEnd || block.isEmpty {
      guard records == nil && longPath == nil else {
        throw cutShort(at: offset, "the member that its last extended header belongs to")
      }
    }
    if block.isEmpty {
      guard entryCount > 0 else { throw cutShort(at: offset, "a tar header") }
      noteMissingEnd("no zero blocks")
      return nil
    }
    guard block.count == TarHeader.blockByteCount else {
      throw cutShort(at: offset, "a tar header")
    }
    guard isEnd else { return (try TarHeader(block, at: offset), offset) }
    let second = try source.next(TarHeader.blockByteCount)
    guard second.allSatisfy({ $0 == 0 }) else {
      throw CheckpointError(
        .malformed, "a block of zeros between the members of a tar archive", byteOffset: offset,
        expected: "a header, or two blocks of zeros at the end",
        found: "one block of zeros and more data", hint: "the archive was damaged; get it again")
    }
    if second.count < TarHeader.blockByteCount { noteMissingEnd("only one zero block") }
    return nil
  }

  private mutating func add(_ header: TarHeader, at offset: Int) throws(CheckpointError) {
    entryCount += 1
    guard entryCount <= Self.maximumEntryCount else {
      throw CheckpointError(
        .unsupported, "too many members in an archive", byteOffset: offset,
        expected: "at most \(Self.maximumEntryCount)")
    }
    switch header.type {
    case "x", "g":
      let start = source.position
      let data = try extendedData(of: header, at: offset)
      let parsed = try PAXRecords(data, at: start, isGlobal: header.type == "g")
      guard header.type == "x" else { return }
      guard records == nil else { throw twoExtendedHeaders(at: offset) }
      records = parsed
    case "L":
      guard longPath == nil else { throw twoExtendedHeaders(at: offset) }
      let data = try extendedData(of: header, at: offset)
      let path = data.prefix { $0 != 0 }
      guard data[path.endIndex...].allSatisfy({ $0 == 0 }) else {
        throw CheckpointError(
          .malformed, "bytes after a long path", byteOffset: offset, expected: "zeros",
          found: "\(data.count - path.count) other bytes")
      }
      longPath = Array(path)
    case "K":
      // A long link target; the link that follows is refused.
      _ = try extendedData(of: header, at: offset)
    default:
      defer {
        records = nil
        longPath = nil
      }
      try addMember(header, at: offset)
    }
  }

  private mutating func addMember(_ header: TarHeader, at offset: Int) throws(CheckpointError) {
    if let path = records?.path, let longPath, path != longPath {
      throw twoExtendedHeaders(at: offset)
    }
    let rawPath = records?.path ?? longPath ?? header.path
    let path = try ArchivePath.tarPath(rawPath[...], at: offset)
    let byteCount = try byteCount(of: header, path, at: offset)
    let endsInSlash = rawPath.last == UInt8(ascii: "/")
    // Before there were types, the path told directories.
    switch header.type == "\0" && endsInSlash ? "5" : header.type {
    case "5":
      guard byteCount == 0 else {
        throw CheckpointError(
          .malformed, "'\(path)' is a directory with data", byteOffset: offset,
          expected: "0 bytes", found: "\(byteCount)")
      }
      try paths.add(folder: path, at: offset)
    case "0", "\0", "7":
      guard !endsInSlash, !path.isEmpty else {
        throw CheckpointError(
          .malformed, "a file with a directory's path", byteOffset: offset,
          found: "'\(String(decoding: rawPath, as: UTF8.self))'")
      }
      if let finding = try paths.add(file: path, at: offset) { findings.append(finding) }
      members.append(TarMember(path: path, offset: source.position, byteCount: byteCount))
      try skipData(byteCount, of: path)
    default:
      throw CheckpointError(
        .unsupported,
        "'\(path)' is \(Self.refusedTypes[header.type] ?? "of an unknown type")",
        byteOffset: offset, expected: "regular files and directories",
        found: "type '\(header.type)'",
        hint: "unpack the archive, and pack the checkpoint's files alone")
    }
  }

  /// The size, which a pax record may give instead of the header if the header has none or has no room for it.
  private func byteCount(
    of header: TarHeader, _ path: String, at offset: Int
  ) throws(CheckpointError) -> Int {
    guard let byteCount = records?.byteCount else { return header.byteCount }
    guard [0, byteCount, TarHeader.largestOctalByteCount].contains(header.byteCount) else {
      throw CheckpointError(
        .malformed, "'\(path)' has two sizes", byteOffset: offset, expected: "\(header.byteCount)",
        found: "\(byteCount) in its pax record",
        hint: "readers would disagree about this archive; don't trust it")
    }
    return byteCount
  }

  private func skipData(_ byteCount: Int, of path: String) throws(CheckpointError) {
    let start = source.position
    let padding = -byteCount & (TarHeader.blockByteCount - 1)
    let (padded, overflow) = byteCount.addingReportingOverflow(padding)
    let present = overflow ? 0 : try source.skip(padded)
    guard present == padded else {
      throw CheckpointError(
        .malformed, "the archive ends inside '\(path)'", byteOffset: start,
        expected: "\(byteCount) bytes", found: "\(Swift.min(present, byteCount))",
        hint: "the download is incomplete; get the rest of it")
    }
  }

  private func extendedData(
    of header: TarHeader, at offset: Int
  ) throws(CheckpointError) -> [UInt8] {
    guard header.byteCount <= Self.maximumExtendedByteCount else {
      throw CheckpointError(
        .unsupported, "an extended tar header is too long", byteOffset: offset,
        expected: "at most \(Self.maximumExtendedByteCount) bytes", found: "\(header.byteCount)")
    }
    let padding = -header.byteCount & (TarHeader.blockByteCount - 1)
    let data = try source.next(header.byteCount + padding)
    guard data.count == header.byteCount + padding else {
      throw cutShort(at: offset, "an extended header")
    }
    return Array(data.prefix(header.byteCount))
  }

  /// Reads to the end of the file, where only zeros should be, and not many.
  private mutating func checkTrailer() throws(CheckpointError) {
    let start = source.position
    var hasData = false
    while true {
      let bytes = try source.next(64 << 10)
      if bytes.isEmpty { break }
      hasData = hasData || !bytes.allSatisfy { $0 == 0 }
      guard source.position - start <= Self.maximumTrailingByteCount else {
        throw CheckpointError(
          .malformed, "too much after the end of a tar archive", byteOffset: start,
          expected: "at most \(Self.maximumTrailingByteCount) bytes", found: "more",
          hint: "something was appended to the archive, or it hides something; don't trust it")
      }
    }
    if hasData {
      findings.append(
        Finding(
          .warning, "archive-trailing-data",
          "there are data after the end of the archive, which were ignored"))
    }
  }

  private mutating func noteMissingEnd(_ found: String) {
    findings.append(
      Finding(
        .note, "archive-no-end",
        "the archive ends with \(found) instead of two: all members are complete, but some may be missing"
      ))
  }

  private func cutShort(at offset: Int, _ what: String) -> CheckpointError {
    CheckpointError(
      .malformed, "the tar archive ends early", byteOffset: offset, expected: what,
      found: "end of file", hint: "the download is incomplete; get the rest of it")
  }

  private func twoExtendedHeaders(at offset: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "two extended headers for one tar member", byteOffset: offset, expected: "one",
      hint: "readers would disagree about this archive; don't trust it")
  }
}
