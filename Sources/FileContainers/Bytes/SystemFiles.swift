import CPlatform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The operations as the system has them.
public struct SystemFiles: FileOperations {
  /// There is nothing to say.
  public init() {}

  /// What files that are created may be used for, before the process's mask.
  private static let permissions: mode_t = 0o666

  /// A new file, readable and writable by whom the process's mask leaves it to.
  public func create(_ path: String) throws(SystemFailure) -> Int32 {
    try checked(retrying { Self.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC) })
  }

  /// A file that is there, links not followed.
  public func open(_ path: String) throws(SystemFailure) -> Int32 {
    try checked(retrying { Self.open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC) })
  }

  private static func open(_ path: String, _ flags: Int32) -> Int32 {
    #if canImport(Glibc)
      Glibc.open(path, flags, permissions)
    #elseif canImport(Musl)
      Musl.open(path, flags, permissions)
    #else
      Darwin.open(path, flags, permissions)
    #endif
  }

  /// A new file whose name is removed at once.
  public func createUnnamed(in directory: String) throws(SystemFailure) -> Int32 {
    var template = Array("\(directory)/.weighbridge-XXXXXX".utf8CString)
    let descriptor = try checked(mkstemp(&template))
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return descriptor
  }

  /// Lets go of a file.
  public func close(_ descriptor: Int32) {
    #if canImport(Glibc)
      _ = Glibc.close(descriptor)
    #elseif canImport(Musl)
      _ = Musl.close(descriptor)
    #else
      _ = Darwin.close(descriptor)
    #endif
  }

  /// `pwrite`.
  public func write(
    _ descriptor: Int32, at offset: Int, from base: UnsafeRawPointer, count: Int
  ) throws(SystemFailure) -> Int {
    try checked(retrying { pwrite(descriptor, base, count, off_t(offset)) })
  }

  /// Shares blocks, or copies on the server that has both files.
  public func share(
    _ source: Int32, at sourceOffset: Int, count: Int, with descriptor: Int32, at offset: Int
  ) throws(SystemFailure) {
    try check(
      wb_share_range(source, Int64(sourceOffset), descriptor, Int64(offset), Int64(count)))
  }

  /// `copy_file_range`; Linux alone has it.
  public func copy(
    _ source: Int32, at sourceOffset: Int, count: Int, to descriptor: Int32, at offset: Int
  ) throws(SystemFailure) -> Int {
    var copied: Int64 = 0
    try check(
      wb_copy_range(
        source, Int64(sourceOffset), descriptor, Int64(offset), Int64(count), &copied))
    return Int(copied)
  }

  /// `fallocate`, or what the system has instead.
  public func reserve(_ descriptor: Int32, byteCount: Int) throws(SystemFailure) {
    try check(wb_reserve(descriptor, Int64(byteCount)))
  }

  /// `ftruncate`.
  public func resize(_ descriptor: Int32, byteCount: Int) throws(SystemFailure) {
    try checked(retrying { ftruncate(descriptor, off_t(byteCount)) })
  }

  /// `fsync`.
  ///
  /// macOS: that leaves data in the drive's cache; `F_FULLFSYNC` doesn't, where the file system has it.
  public func synchronise(_ descriptor: Int32) throws(SystemFailure) {
    #if canImport(Darwin)
      if fcntl(descriptor, F_FULLFSYNC) != -1 { return }
    #endif
    try checked(retrying { fsync(descriptor) })
  }

  /// `fsync`, where directories have it.
  public func synchronise(directory path: String) throws(SystemFailure) {
    let descriptor = try checked(
      retrying { Self.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
    defer { close(descriptor) }
    // Some file systems can't sync a directory (EINVAL) and need not.
    if retrying({ fsync(descriptor) }) != 0, errno != EINVAL, errno != ENOTSUP {
      throw SystemFailure(errno)
    }
  }

  /// `mkdir`.
  public func createDirectory(_ path: String) throws(SystemFailure) {
    try checked(mkdir(path, 0o777))
  }

  /// `rmdir`.
  public func removeDirectory(_ path: String) throws(SystemFailure) { try checked(rmdir(path)) }

  /// `unlink`.
  public func removeFile(_ path: String) throws(SystemFailure) { try checked(unlink(path)) }

  /// `rename`, and the system's ways to keep or exchange what is there.
  public func rename(
    _ source: String, to target: String, _ manner: RenamingManner
  ) throws(SystemFailure) {
    switch manner {
    case .keeping: try check(wb_rename_without_replacing(source, target))
    case .exchanging: try check(wb_exchange(source, target))
    case .replacing:
      #if canImport(Glibc)
        try checked(Glibc.rename(source, target))
      #elseif canImport(Musl)
        try checked(Musl.rename(source, target))
      #else
        try checked(Darwin.rename(source, target))
      #endif
    }
  }

  /// The result of a call that says -1 when it fails.
  @discardableResult
  private func checked<Result: SignedInteger>(_ result: Result) throws(SystemFailure) -> Result {
    guard result != -1 else { throw SystemFailure(errno) }
    return result
  }

  /// Throws what a call says that gives the number of its failure.
  private func check(_ number: Int32) throws(SystemFailure) {
    guard number == 0 else { throw SystemFailure(number) }
  }
}
