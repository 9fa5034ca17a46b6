// Output files: created exclusively, reserved to their full size, written at positions, synced once.

import CPlatform
import Foundation
import Synchronization
public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file being written by several threads at once, each at positions of its own.
public final class OutputFile: Sendable {
  /// Its path.
  public let path: String
  private let descriptor: Int32
  private let operations = FileSystem.operations
  private let turn = NSLock()
  /// False once the file system has refused.
  private let sharesBlocks = Mutex(true)
  private let written = Mutex(WriteBehind())

  /// Blocks of all file systems that share them; those with larger ones refuse.
  private static let blockByteCount = 4096

  /// So many bytes are written before the system is asked to take them to the disk.
  private static let pieceByteCount = 8 << 20

  /// Creates a file that must not exist yet, and reserves its bytes.
  ///
  /// - Throws: `conflict` if it exists, `missing`, `noSpace` or `inputOutput`.
  public init(creating path: String, byteCount: Int) throws(CheckpointError) {
    self.path = path
    let operations = operations
    descriptor = try perform("create", path) { () throws(SystemFailure) in
      try operations.create(path)
    }
    do throws(CheckpointError) { try reserve(byteCount: byteCount) } catch {
      try? operations.removeFile(path)
      throw error
    }
  }

  /// Opens a file that an interrupted run has left, and gives it its full size.
  ///
  /// - Throws: `missing`, `noSpace` or `inputOutput`.
  public init(resuming path: String, byteCount: Int) throws(CheckpointError) {
    self.path = path
    guard FileKind(ofEntry: path) != .other else {
      throw CheckpointError(
        .conflict, "is no regular file, and isn't written to", file: path,
        found: PathObstacle.text(path) ?? "a link", hint: "move it away, and start again")
    }
    let operations = operations
    // Somebody may have put a link there, which leads to a file of his.
    descriptor = try perform("open", path) { () throws(SystemFailure) in
      try operations.open(path)
    }
    try reserve(byteCount: byteCount)
  }

  /// Opens a file that an interrupted run has left as it is.
  ///
  /// - Throws: `missing` or `inputOutput`.
  public init(goingOnWith path: String) throws(CheckpointError) {
    self.path = path
    let operations = operations
    descriptor = try perform("open", path) { () throws(SystemFailure) in
      try operations.open(path)
    }
  }

  deinit { operations.close(descriptor) }

  /// Writes a run of bytes at a position, unless another thread is writing to the same file and `waiting` is false.
  ///
  /// File systems let one writer at a time into a file, and waiting for it in the kernel burns a core. What is written goes to the disk
  /// soon and then out of the page cache: fresh pages for gigabytes that nobody reads again cost more than all else that is done.
  ///
  /// - Returns: whether the bytes were written.
  /// - Throws: `noSpace` or `inputOutput`.
  public func append(
    at offset: Int, from base: UnsafeRawPointer, count: Int, waiting: Bool
  ) throws(CheckpointError) -> Bool {
    guard waiting || turn.try() else { return false }
    if waiting { turn.lock() }
    defer { turn.unlock() }
    for start in stride(from: 0, to: count, by: Self.pieceByteCount) {
      let piece = min(Self.pieceByteCount, count - start)
      try write(at: offset + start, from: base + start, count: piece)
      let due = written.withLock { $0.add(offset + start..<offset + start + piece) }
      if let due { wb_write_behind(descriptor, Int64(due.lowerBound), Int64(due.count)) }
    }
    return true
  }

  /// Writes as `append` does, but shares the blocks that already hold these bytes in another file, where the file system can.
  ///
  /// - Parameters:
  ///   - offset: where in this file.
  ///   - bytes: what the region holds, for the ends that fill no block and file systems that share nothing.
  ///   - region: holds just these bytes; nil if none does.
  ///   - waiting: as for `append`.
  /// - Returns: whether the bytes were written.
  /// - Throws: `noSpace` or `inputOutput`.
  public func append(
    at offset: Int, _ bytes: UnsafeRawBufferPointer, sharing region: FileRegion?, waiting: Bool
  ) throws(CheckpointError) -> Bool {
    guard let base = bytes.baseAddress else { return true }
    let head = (Self.blockByteCount - offset % Self.blockByteCount) % Self.blockByteCount
    let middle = (bytes.count - head) / Self.blockByteCount * Self.blockByteCount
    if let region, middle > 0, sharesBlocks.withLock({ $0 }),
      offset % Self.blockByteCount == region.offset % Self.blockByteCount
    {
      let isShared = region.file.share(
        at: region.offset + head, count: middle, with: descriptor, at: offset + head,
        by: operations)
      if isShared {
        try write(at: offset, from: base, count: head)
        let end = head + middle
        try write(at: offset + end, from: base + end, count: bytes.count - end)
        return true
      }
      sharesBlocks.withLock { $0 = false }
    }
    return try append(at: offset, from: base, count: bytes.count, waiting: waiting)
  }

  /// Writes bytes at a position, into the page cache.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func write(
    at offset: Int, from base: UnsafeRawPointer, count: Int
  ) throws(CheckpointError) {
    try writeFully(
      descriptor, at: offset, from: base, count: count, path: path, by: operations)
  }

  /// Writes an array at a position.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func write(at offset: Int, _ bytes: [UInt8]) throws(CheckpointError) {
    var failure: CheckpointError?
    bytes.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      do throws(CheckpointError) {
        try write(at: offset, from: base, count: buffer.count)
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Copies bytes of another file, which share its blocks or are copied by the server or the kernel where these can.
  ///
  /// - Parameters:
  ///   - range: of the other file.
  ///   - file: the other file.
  ///   - offset: where in this one.
  ///   - check: called before each piece; what it throws ends the work.
  /// - Throws: `noSpace` or `inputOutput`.
  public func copy(
    _ range: Range<Int>, of file: InputFile, to offset: Int,
    _ check: () throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    var (from, to) = (range.lowerBound, offset)
    while from < range.upperBound {
      try check()
      let count = min(Self.copiedByteCount, range.upperBound - from)
      let done: Int
      do throws(SystemFailure) {
        done = try operations.copy(file.descriptor, at: from, count: count, to: descriptor, at: to)
      } catch {
        guard Self.copiesNot.contains(error.number) else {
          throw systemError("copy into", path, number: error.number)
        }
        try copyThroughMemory(from..<range.upperBound, of: file, to: to, check)
        return
      }
      guard done > 0 else {
        throw CheckpointError(
          .inputOutput, "the file ends early: it changed while it was read", file: file.path,
          byteOffset: from, hint: InputFile.changedHint)
      }
      (from, to) = (from + done, to + done)
    }
  }

  /// What file systems answer that can't copy.
  private static let copiesNot = [ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL, EXDEV]
  /// Bytes that are copied before somebody may end the work.
  private static let copiedByteCount = 256 << 20

  private func copyThroughMemory(
    _ range: Range<Int>, of file: InputFile, to offset: Int,
    _ check: () throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let scratch = try ScratchArena(byteCount: Self.pieceByteCount)
    try scratch.withPiece(byteCount: Self.pieceByteCount) { (base) throws(CheckpointError) in
      for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.pieceByteCount) {
        try check()
        let count = min(Self.pieceByteCount, range.upperBound - start)
        try file.read(at: start, into: base, count: count)
        try write(at: offset + start - range.lowerBound, from: base, count: count)
      }
    }
  }

  /// Reads back what was written.
  ///
  /// - Throws: `inputOutput`.
  public func read(
    at offset: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try readFully(descriptor, at: offset, into: base, count: count, path: path)
  }

  /// Reads back what was written, as far as the file goes.
  ///
  /// - Returns: how many bytes were read.
  /// - Throws: `inputOutput`.
  public func readAvailable(
    at offset: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) -> Int {
    try FileContainers.readAvailable(descriptor, at: offset, into: base, count: count, path: path)
  }

  /// Gives the file a size; what it gets longer by is zeros.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func resize(byteCount: Int) throws(CheckpointError) {
    try perform("give \(byteCount) bytes to", path) { () throws(SystemFailure) in
      try operations.resize(descriptor, byteCount: byteCount)
    }
  }

  /// Reserves the file's bytes and gives it that size, so that a full disk shows before any work is done.
  ///
  /// File systems that can't reserve get a sparse file.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func reserve(byteCount: Int) throws(CheckpointError) {
    try perform("reserve \(byteCount) bytes", path) { () throws(SystemFailure) in
      if byteCount > 0 {
        do throws(SystemFailure) {
          try operations.reserve(descriptor, byteCount: byteCount)
        } catch {
          guard [ENOTSUP, EOPNOTSUPP, ENOSYS, EINVAL].contains(error.number) else { throw error }
        }
      }
      try operations.resize(descriptor, byteCount: byteCount)
    }
  }

  /// Makes the contents durable.
  ///
  /// An error is final: the file must be written anew.
  ///
  /// - Throws: `inputOutput` or `noSpace`.
  public func synchronise() throws(CheckpointError) {
    try perform("sync", path) { () throws(SystemFailure) in
      try operations.synchronise(descriptor)
    }
  }

  /// Creates a small file with the given contents and makes it durable; where that fails, there is none.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public static func create(_ path: String, contents: [UInt8]) throws(CheckpointError) {
    let file = try OutputFile(creating: path, byteCount: 0)
    do throws(CheckpointError) {
      try file.write(at: 0, contents)
      try file.synchronise()
    } catch {
      try? file.operations.removeFile(path)
      throw error
    }
  }

  /// Creates a small file as `create` does, where one of that name may be: it is gone first.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public static func replace(_ path: String, contents: [UInt8]) throws(CheckpointError) {
    try Directories.removeTree(path)
    try create(path, contents: contents)
  }

  /// Keeps others from taking the file for one that nobody writes any more; the system lets go of it when the process ends.
  ///
  /// - Returns: whether the file still has its name, which others may have taken from it before.
  func lock() -> Bool {
    let isRefused = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
    var status = stat()
    return !isRefused && fstat(descriptor, &status) == 0
      && FileIdentity(ofEntry: path) == FileIdentity(status)
  }
}
