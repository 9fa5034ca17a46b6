import TensorModel

/// The paths of an archive's members so far: none twice, no file used as a directory.
struct TarPaths {
  private var files: Set<ExactName> = []
  private var folders: Set<ExactName> = []
  /// Paths as case-insensitive file systems compare them; `String` compares canonical forms, as APFS does.
  private var folded: Set<String> = []
  private var byteCount = 0

  /// What all paths together, with those of their folders, may take.
  private static let maximumByteCount = 32 << 20

  /// Adds a directory; one that is already known is fine.
  ///
  /// - Throws: `malformed` if it is a file; `unsupported` if there are too many paths.
  mutating func add(folder path: String, at offset: Int) throws(CheckpointError) {
    guard !path.isEmpty else { return }
    try addFolders(of: path + "/", at: offset)
  }

  /// Adds a file.
  ///
  /// - Returns: a warning if file systems that ignore case or Unicode forms would take it for another one.
  /// - Throws: `malformed` if it is there already or is a directory; `unsupported` if there are too many paths.
  mutating func add(file path: String, at offset: Int) throws(CheckpointError) -> Finding? {
    guard !folders.contains(ExactName(path)) else { throw isFileAndFolder(path, at: offset) }
    guard files.insert(ExactName(path)).inserted else {
      throw CheckpointError(
        .malformed, "the same archive member twice: '\(path)'", byteOffset: offset,
        hint: "readers would disagree about which one counts; don't trust this archive")
    }
    try count(path, at: offset)
    try addFolders(of: path, at: offset)
    guard !folded.insert(path.lowercased()).inserted else { return nil }
    return Finding(
      .warning, "archive-name-collision",
      "another member's path differs only in letter case or in the form of its characters, so many file systems can't hold both",
      file: path)
  }

  /// Adds everything above a path, from the bottom up: what is above a known folder is known.
  private mutating func addFolders(of path: String, at offset: Int) throws(CheckpointError) {
    var rest = path.unicodeScalars[...]
    while let slash = rest.lastIndex(of: "/") {
      rest = rest[..<slash]
      let folder = String(rest)
      guard !files.contains(ExactName(folder)) else { throw isFileAndFolder(folder, at: offset) }
      guard folders.insert(ExactName(folder)).inserted else { return }
      try count(folder, at: offset)
    }
  }

  private mutating func count(_ path: String, at offset: Int) throws(CheckpointError) {
    byteCount += path.utf8.count
    guard byteCount <= Self.maximumByteCount else {
      throw CheckpointError(
        .unsupported, "too many or too long paths in an archive", byteOffset: offset,
        expected: "at most \(Self.maximumByteCount) bytes of them")
    }
  }

  private func isFileAndFolder(_ path: String, at offset: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "'\(path)' is a file and a directory in one archive", byteOffset: offset,
      hint: "such an archive can't be unpacked; don't trust it")
  }
}
