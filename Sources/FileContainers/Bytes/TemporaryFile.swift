// Files without a name, for what has to be unpacked before it can be read at positions.

public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file that has no name any more and vanishes when it is closed, whatever happens to the process.
public final class TemporaryFile: Sendable {
  private let descriptor: Int32
  private let directory: String

  /// Creates one.
  ///
  /// - Parameter directory: on the disk that is to hold it.
  /// - Throws: `inputOutput`, `missing` or `noSpace`.
  public init(in directory: String) throws(CheckpointError) {
    self.directory = directory
    var template = Array("\(directory)/.weighbridge-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw systemError("create a temporary file in", directory) }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Writes bytes at a position.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func write(
    at offset: Int, from base: UnsafeRawPointer, count: Int
  ) throws(CheckpointError) {
    try writeFully(
      descriptor, at: offset, from: base, count: count, path: "temporary file in \(directory)")
  }

  /// Reads bytes at a position.
  ///
  /// - Throws: `inputOutput`.
  public func read(
    at offset: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try readFully(
      descriptor, at: offset, into: base, count: count, path: "temporary file in \(directory)")
  }

  /// Where temporary files go when nobody says: `TMPDIR`, else `/var/tmp`, which is on a disk, unlike many a `/tmp`.
  public static var defaultDirectory: String {
    if let variable = getenv("TMPDIR"), variable.pointee != 0 { return String(cString: variable) }
    return "/var/tmp"
  }
}
