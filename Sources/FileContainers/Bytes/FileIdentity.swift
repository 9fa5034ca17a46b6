// Which file a path really leads to: links, hard links and mounts give one file many paths, and the system one identity.

import CPlatform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What the system knows a file or folder by, whatever its path: its device, and its number there.
public struct FileIdentity: Hashable, Sendable {
  private let device: UInt64
  /// Its number on the device, which stays when the system starts anew.
  public let inode: UInt64

  /// The identity of an examined file.
  init(_ status: stat) {
    device = UInt64(truncatingIfNeeded: status.st_dev)
    inode = UInt64(truncatingIfNeeded: status.st_ino)
  }

  /// The identity of what a path leads to, links followed; nil if there is nothing.
  public init?(of path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// The identity of what has a name, links not followed; nil if there is nothing.
  public init?(ofEntry path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    self.init(status)
  }
}

extension Directories {
  /// Whether a path is that of a folder or of something in it, also by other names: through links, or where a file system is mounted twice.
  ///
  /// - Parameters:
  ///   - path: need not exist yet, but its parent does.
  ///   - folder: where there is none, nothing lies in it.
  /// - Returns: whether it is.
  public static func isInside(_ path: String, _ folder: String) -> Bool {
    guard let identity = FileIdentity(of: folder) else { return false }
    var place = resolved(path)
    while true {
      if FileIdentity(ofEntry: place) == identity { return true }
      let parent = split(place).parent
      guard parent != place, parent != "." else { return false }
      place = parent
    }
  }

  /// Whether something is mounted on a file or folder, which so can't be moved, exchanged or removed.
  ///
  /// - Parameter path: a link is what it leads to.
  /// - Returns: whether it is.
  public static func isMountPoint(_ path: String) -> Bool {
    let place = resolved(path)
    // What the system itself says counts: a folder that is mounted on another one of its own file system has the same device.
    if let answer = [0: false, 1: true][wb_is_mount_root(place)] { return answer }
    var (status, parent) = (stat(), stat())
    guard lstat(place, &status) == 0, lstat(split(place).parent, &parent) == 0 else { return false }
    return status.st_dev != parent.st_dev
  }
}
