// The layer through which everything that writes to files goes. Tests put another one in its place, which fails, or is cut off, at any call.

import TensorModel

/// Why a system call failed.
public struct SystemFailure: Error, Hashable, Sendable {
  /// The value of `errno`.
  public let number: Int32

  /// A failure with that number.
  public init(_ number: Int32) { self.number = number }
}

/// The calls by which files are written, made durable, named and removed; each once, as the system has it.
///
/// What only reads isn't here: a process that dies changes nothing by reading.
public protocol FileOperations: Sendable {
  /// Opens a new file for reading and writing; something that has the path is `EEXIST`.
  func create(_ path: String) throws(SystemFailure) -> Int32

  /// Opens a file that is there for reading and writing; a link is `ELOOP`.
  func open(_ path: String) throws(SystemFailure) -> Int32

  /// Opens a new file that has no name and vanishes when it is closed.
  func createUnnamed(in directory: String) throws(SystemFailure) -> Int32

  /// Closes what one of the above has opened.
  func close(_ descriptor: Int32)

  /// Writes bytes at a position.
  ///
  /// - Returns: how many were written, which may be fewer.
  func write(
    _ descriptor: Int32, at offset: Int, from base: UnsafeRawPointer, count: Int
  ) throws(SystemFailure) -> Int

  /// Has a file share a range of another's blocks.
  func share(
    _ source: Int32, at sourceOffset: Int, count: Int, with descriptor: Int32, at offset: Int
  ) throws(SystemFailure)

  /// Copies a range of another file without its bytes going through this process.
  ///
  /// - Returns: how many were copied, which may be fewer; 0 at the other file's end.
  func copy(
    _ source: Int32, at sourceOffset: Int, count: Int, to descriptor: Int32, at offset: Int
  ) throws(SystemFailure) -> Int

  /// Reserves room on the disk for so many bytes, without changing the file's size.
  func reserve(_ descriptor: Int32, byteCount: Int) throws(SystemFailure)

  /// Gives a file a size.
  func resize(_ descriptor: Int32, byteCount: Int) throws(SystemFailure)

  /// Makes a file's contents durable, and returns when they are.
  func synchronise(_ descriptor: Int32) throws(SystemFailure)

  /// Makes the names in a directory durable, and returns when they are.
  func synchronise(directory path: String) throws(SystemFailure)

  /// Makes a directory, which must not be there.
  func createDirectory(_ path: String) throws(SystemFailure)

  /// Removes an empty directory.
  func removeDirectory(_ path: String) throws(SystemFailure)

  /// Removes the name of a file or link.
  func removeFile(_ path: String) throws(SystemFailure)

  /// Renames within a file system, in one step.
  func rename(_ source: String, to target: String, _ manner: RenamingManner)
    throws(SystemFailure)
}

/// What becomes of what has the new name already.
public enum RenamingManner: Sendable {
  /// It stays, and renaming is `EEXIST`.
  case keeping
  /// It is gone.
  case replacing
  /// It gets the old name.
  case exchanging
}

/// Which operations are in use.
public enum FileSystem {
  /// The system's own, but where a test says otherwise; `ThreadTeam` hands them on to its threads.
  ///
  /// An open file keeps to those that it was opened by.
  @TaskLocal public static var operations: any FileOperations = SystemFiles()
}

/// Makes a call of the layer, whose failure tells what was tried and on what.
func perform<Result>(
  _ action: @autoclosure () -> String, _ path: String,
  _ call: () throws(SystemFailure) -> Result
) throws(CheckpointError) -> Result {
  do throws(SystemFailure) { return try call() } catch {
    throw systemError(action(), path, number: error.number)
  }
}
