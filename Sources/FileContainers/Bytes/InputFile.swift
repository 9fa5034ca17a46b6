// Input files, read at positions. They are mapped only by `withBytes`, a few megabytes at a time: a mapped file that shrinks kills the
// process where nothing is done about it, and its pages count as memory.

import Synchronization
public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An open regular file.
public final class InputFile: Sendable {
  /// The path it was opened by.
  public let path: String
  /// Its size when it was opened.
  public let byteCount: Int
  /// When it was last changed, in nanoseconds since 1970.
  public let modificationTime: Int
  /// When its contents or its entry in the file system were last changed, which nobody can set; in nanoseconds since 1970.
  public var changeTime: Int { state.changeTime }
  /// What the system knows it by.
  public let identity: FileIdentity
  /// For a child process; it is open as long as this is there.
  let descriptor: Int32
  private let state: FileState

  /// Opens a file for reading.
  ///
  /// - Throws: `missing` or `inputOutput`; `unsupported` if it isn't a regular file.
  public init(path: String) throws(CheckpointError) {
    // O_NONBLOCK: opening a pipe must not wait for somebody to write to it.
    let descriptor = try openDescriptor(path, O_RDONLY | O_NONBLOCK, action: "open")
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let error = systemError("examine", path)
      close(descriptor)
      throw error
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      throw CheckpointError(
        .unsupported, "not a file that can be read", file: path, expected: "a regular file",
        found: PathObstacle.text(ofMode: status.st_mode),
        hint: isFolder ? "name a file in it" : "copy its contents into a file first")
    }
    self.path = path
    self.descriptor = descriptor
    state = FileState(status)
    identity = FileIdentity(status)
    byteCount = state.byteCount
    modificationTime = state.modificationTime
  }

  deinit { close(descriptor) }

  /// Copies bytes of the file.
  ///
  /// - Throws: `inputOutput` if they can't be read or the file has become shorter.
  public func read(
    at offset: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try readFully(descriptor, at: offset, into: base, count: count, path: path)
  }

  /// Makes sure that the file is as it was when it was opened.
  ///
  /// - Throws: `inputOutput` if somebody has written to it, or made it longer or shorter.
  public func confirm() throws(CheckpointError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw systemError("examine", path) }
    guard !FileState(status).isSameContents(as: state) else { return }
    throw CheckpointError(
      .inputOutput, "the file was changed while it was read", file: path,
      hint: Self.changedHint)
  }

  static let changedHint = "start again when nothing writes to it any more"

  /// Has another file share some of this one's blocks; false where the file system can't.
  func share(
    at offset: Int, count: Int, with target: Int32, at targetOffset: Int,
    by operations: any FileOperations
  ) -> Bool {
    do {
      try operations.share(descriptor, at: offset, count: count, with: target, at: targetOffset)
      return true
    } catch { return false }
  }

  /// All of a small file.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - limit: the most bytes that it may have.
  ///   - inputs: takes it in as an input; nil for what is no input, such as files at a destination.
  /// - Returns: its bytes.
  /// - Throws: `missing`, `inputOutput`, or `unsupported` if it is larger.
  public static func contents(
    of path: String, limit: Int, recordedIn inputs: ReadFiles?
  ) throws(CheckpointError) -> [UInt8] {
    let file = try InputFile(path: path)
    inputs?.record(file)
    guard file.byteCount <= limit else {
      throw CheckpointError(
        .unsupported, "too large", file: path, expected: "at most \(limit) bytes",
        found: "\(file.byteCount)", hint: "is it the right file?")
    }
    let bytes = try file.region.bytes(at: 0, count: file.byteCount)
    try file.confirm()
    return bytes
  }

  /// All of the file, as a region.
  public var region: FileRegion { FileRegion(file: self, offset: 0, byteCount: byteCount) }
}

/// What tells whether an open file was written to.
private struct FileState {
  let byteCount: Int
  /// In nanoseconds since 1970.
  let modificationTime: Int
  /// Of the file's entry in the file system; links that are made or removed change it, too.
  let changeTime: Int
  let linkCount: Int

  init(_ status: stat) {
    byteCount = Int(status.st_size)
    #if canImport(Darwin)
      let (modified, changed) = (status.st_mtimespec, status.st_ctimespec)
    #else
      let (modified, changed) = (status.st_mtim, status.st_ctim)
    #endif
    modificationTime = modified.tv_sec * 1_000_000_000 + Int(modified.tv_nsec)
    changeTime = changed.tv_sec * 1_000_000_000 + Int(changed.tv_nsec)
    linkCount = Int(status.st_nlink)
  }

  func isSameContents(as other: FileState) -> Bool {
    byteCount == other.byteCount && modificationTime == other.modificationTime
      && (changeTime == other.changeTime || linkCount != other.linkCount)
  }
}

/// A run of bytes of an open file: a whole file, or a member of an archive.
public struct FileRegion: RandomAccessBytes {
  /// The file.
  public let file: InputFile
  /// Where the run begins in the file.
  public let offset: Int
  /// How long it is.
  ///
  /// Within the file when the region was made.
  public let byteCount: Int

  /// A run that must lie within the file.
  public init(file: InputFile, offset: Int, byteCount: Int) {
    precondition(offset >= 0 && byteCount >= 0 && offset <= file.byteCount - byteCount)
    self.file = file
    self.offset = offset
    self.byteCount = byteCount
  }

  /// A part of this region, or nil if it isn't within.
  public func part(at position: Int, count: Int) -> FileRegion? {
    guard position >= 0, count >= 0, position <= byteCount, count <= byteCount - position else {
      return nil
    }
    return FileRegion(file: file, offset: offset + position, byteCount: count)
  }

  /// Copies bytes of the region.
  ///
  /// - Throws: `malformed` if they aren't within the region, `inputOutput` if they can't be read.
  public func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try check(position, count: count)
    try file.read(at: offset + position, into: base, count: count)
  }
}

/// The files that something is read from: each is opened once, and shall be the same after the last read as it was then.
public final class PinnedFiles: Sendable {
  private let files = Mutex<[String: InputFile]>([:])
  private let inputs: ReadFiles?

  /// No files yet.
  ///
  /// - Parameter inputs: takes them in as inputs; nil for what is only looked at.
  public init(recordedIn inputs: ReadFiles?) { self.inputs = inputs }

  /// The file of a path, opened when it is asked for first.
  ///
  /// A file that takes its place later isn't looked at.
  ///
  /// - Throws: what `InputFile` throws.
  public func open(_ path: String) throws(CheckpointError) -> InputFile {
    if let known = files.withLock({ $0[path] }) { return known }
    let file = try InputFile(path: path)
    inputs?.record(file)
    return files.withLock { files in
      if let known = files[path] { return known }
      files[path] = file
      return file
    }
  }

  /// Makes sure that none has changed since it was opened.
  ///
  /// - Throws: `inputOutput` with the first that has, by path.
  public func confirm() throws(CheckpointError) {
    let all = files.withLock { $0 }
    for (_, file) in all.sorted(by: { $0.key < $1.key }) { try file.confirm() }
  }
}
