public import TensorModel

/// SHA-256 of files that somebody has hashed before: whoever reads a file that is still as it was then needn't do it again.
public struct RecordedFileDigests: Sendable, Codable {
  /// A file as it was hashed.
  private struct Entry: Codable, Hashable {
    let path: String
    let byteCount: Int
    /// In nanoseconds since 1970.
    let modificationTime: Int
    let digest: Digest
  }

  private var entries: [Entry] = []

  /// None.
  public init() {}

  /// Hashes files, by all threads.
  ///
  /// - Parameters:
  ///   - files: open.
  ///   - progress: told of bytes as they are read; what it throws ends the work.
  /// - Throws: `inputOutput`, also where one has changed meanwhile, and what `progress` throws.
  public init(
    of files: [InputFile], progress: @Sendable (_ byteCount: Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let digests = try FileDigests.map(files.count, progress: progress) {
      (place) throws(CheckpointError) -> FileDigests.Work<Digest> in
      .hash(files[place])
    } result: { (_, file, digest) throws(CheckpointError) in
      try file.confirm()
      return digest
    }
    entries = zip(files, digests).map {
      Entry(
        path: Directories.resolved($0.path), byteCount: $0.byteCount,
        modificationTime: $0.modificationTime, digest: $1)
    }
  }

  /// Takes in others.
  public mutating func add(_ others: RecordedFileDigests) { entries += others.entries }

  /// The digest of a file; nil where it isn't known, or the file is another by its size or time.
  public subscript(file: InputFile) -> Digest? {
    guard !entries.isEmpty else { return nil }
    let path = ExactName(Directories.resolved(file.path))
    return entries.first {
      ExactName($0.path) == path && $0.byteCount == file.byteCount
        && $0.modificationTime == file.modificationTime
    }?.digest
  }

  /// The digest of a file, which is read where it isn't known.
  ///
  /// - Throws: `inputOutput`.
  public func digest(of file: InputFile) throws(CheckpointError) -> Digest {
    if let known = self[file] { return known }
    return try Digest(ofFile: file)
  }
}
