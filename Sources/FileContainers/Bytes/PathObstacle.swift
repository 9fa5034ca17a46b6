// What stands at a path where a file or folder should be, said as what it is.

public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Something at a path that can't be read as a file.
public enum PathObstacle {
  /// What it is, such as `a named pipe` or `a link that leads nowhere`; nil for regular files.
  ///
  /// - Parameter path: where it is.
  /// - Returns: a noun.
  public static func text(_ path: String) -> String? {
    var status = stat()
    if stat(path, &status) == 0 { return text(ofMode: status.st_mode) }
    let number = errno
    switch number {
    case ENOENT, ELOOP:
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return "nothing" }
      return number == ELOOP
        ? "a link that leads in a circle" : "a link that leads nowhere: to \(target(of: path))"
    case EACCES: return "something in a folder that may not be searched"
    default: return "nothing"
    }
  }

  /// What folders are called.
  public static let folder = "a folder"

  /// The same of an open file.
  static func text(ofMode mode: mode_t) -> String? {
    switch mode & S_IFMT {
    case S_IFREG: nil
    case S_IFDIR: folder
    case S_IFIFO: "a named pipe"
    case S_IFSOCK: "a socket"
    case S_IFCHR, S_IFBLK: "a device"
    default: "no file"
    }
  }

  /// Where a link leads, as it says itself.
  public static func target(of link: String) -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(link, &buffer, buffer.count)
    return String(
      decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The error for a path that leads to nothing that can be opened.
  ///
  /// - Parameter path: as the user wrote it.
  /// - Returns: what is there instead, and what to do about it.
  public static func error(_ path: String) -> CheckpointError {
    var status = stat()
    guard stat(path, &status) != 0 else {
      return CheckpointError(
        .unsupported, "not a file that can be read", file: path, found: text(path),
        hint: "copy its contents into a file first")
    }
    return systemError("open", path)
  }
}

/// What people find where a file should be, told from its first bytes.
public enum StandIn {
  /// Whether it is a pointer of Git LFS, with which nothing is lost.
  public static func isPointer(_ head: [UInt8]) -> Bool {
    head.starts(with: Array("version https://git-lfs.github.com/spec/".utf8))
  }

  /// The error for a file that surely isn't what its name says: nothing, a Git LFS pointer, a web page.
  public static func error(head: [UInt8]) -> CheckpointError? {
    if head.isEmpty {
      return CheckpointError(
        .malformed, "the file is empty", hint: "the download may have failed: get the file again")
    }
    let text = String(decoding: head.prefix(64), as: UTF8.self)
    if isPointer(head) {
      return CheckpointError(
        .malformed, "a Git LFS pointer stands here instead of the file",
        hint: "fetch the real one with `git lfs pull`")
    }
    let lower = text.lowercased()
    if lower.hasPrefix("<!doctype html") || lower.hasPrefix("<html") || lower.hasPrefix("<?xml") {
      return CheckpointError(
        .malformed, "a web page was saved instead of the file",
        hint: "the download met an error or a login page; download it again")
    }
    return nil
  }
}
