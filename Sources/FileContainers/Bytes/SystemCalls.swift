// Every system call that can fail is made here or in `FileOperations`, so that its error reads the same everywhere.

import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The error for a failed call, from `errno`.
///
/// - Parameters:
///   - action: what was tried, such as `write`.
///   - path: on what.
///   - number: the value of `errno`.
/// - Returns: an error that says what to do about it where something can be done.
func systemError(_ action: String, _ path: String, number: Int32 = errno) -> CheckpointError {
  let reason = String(cString: strerror(number))
  switch number {
  case ENOENT, ELOOP:
    // Of a link, the name is there.
    guard let text = PathObstacle.text(path), text != "nothing" else {
      return CheckpointError(
        .missing, "no such file or directory", file: path,
        hint: "check how the path is spelled, and whether everything was downloaded")
    }
    return CheckpointError(
      .missing, "can't \(action): \(text)", file: path,
      hint: "get the file that the link names, or copy the file itself here")
  case ENOTDIR:
    return CheckpointError(
      .missing, "can't \(action): a part of the path is a file, not a folder", file: path,
      hint: "check how the path is spelled")
  case EISDIR:
    return CheckpointError(
      .unsupported, "can't \(action): a folder, not a file", file: path,
      hint: "name a file in it, or another name")
  case EACCES, EPERM:
    // What isn't there can't be created: the folder is what counts.
    let place = FileKind(ofEntry: path) == nil ? Directories.split(path).parent : path
    return CheckpointError(
      .inputOutput, "can't \(action): \(reason)", file: path,
      hint:
        "get the right to it, or run as the user who has it; whose it is: \(shellCommand("ls -ld", place))"
    )
  case EROFS:
    return CheckpointError(
      .inputOutput, "can't \(action): \(reason)", file: path,
      hint: "choose a place on a file system that can be written")
  case ENAMETOOLONG:
    return CheckpointError(
      .usage, "can't \(action): \(reason)", file: path, hint: "choose a shorter name")
  case EIO:
    return CheckpointError(
      .inputOutput, "can't \(action): \(reason)", file: path,
      hint: "the disk or the network may be failing: look into the system's log, then try again")
  case ENXIO:
    return CheckpointError(
      .unsupported, "can't \(action): \(PathObstacle.text(path) ?? reason)", file: path,
      hint: "copy its contents into a file first")
  case ENOSPC, EDQUOT:
    return CheckpointError(
      .noSpace, "can't \(action): \(reason)", file: path,
      hint: "free some space, or choose a destination or --spool directory on another disk")
  case EEXIST:
    return CheckpointError(
      .conflict, "already exists", file: path, hint: "choose another name, or move it away")
  case EMFILE, ENFILE:
    return CheckpointError(
      .inputOutput, "can't \(action): \(reason)", file: path,
      hint: "raise the limit of open files with `ulimit -n`: every file of a checkpoint stays open")
  case EFBIG:
    return CheckpointError(
      .noSpace, "can't \(action): \(reason)", file: path,
      hint:
        "the file system or `ulimit -f` forbids files of this size; --max-shard-size makes smaller ones"
    )
  case EAGAIN, ENOMEM:
    return CheckpointError(
      .inputOutput, "can't \(action): \(reason)", file: path,
      hint:
        "raise the limit of processes or memory (ulimit -u and -v, pids.max and memory.max of the control group)"
    )
  default:
    return CheckpointError(.inputOutput, "can't \(action): \(reason)", file: path)
  }
}

/// Repeats a call that a signal interrupted.
func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}

/// Opens a file descriptor for reading.
func openDescriptor(
  _ path: String, _ flags: Int32, action: String
) throws(CheckpointError) -> Int32 {
  let descriptor = retrying { open(path, flags | O_CLOEXEC) }
  guard descriptor >= 0 else { throw systemError(action, path) }
  return descriptor
}

/// Reads exactly `count` bytes at an offset.
func readFully(
  _ descriptor: Int32, at offset: Int, into base: UnsafeMutableRawPointer, count: Int, path: String
) throws(CheckpointError) {
  let done = try readAvailable(descriptor, at: offset, into: base, count: count, path: path)
  guard done == count else {
    throw CheckpointError(
      .inputOutput, "the file ends early: it changed while it was read", file: path,
      byteOffset: offset + done, expected: "\(count - done) more bytes", found: "end of file",
      hint: InputFile.changedHint)
  }
}

/// Reads `count` bytes at an offset, or those up to the file's end.
///
/// - Returns: how many.
func readAvailable(
  _ descriptor: Int32, at offset: Int, into base: UnsafeMutableRawPointer, count: Int, path: String
) throws(CheckpointError) -> Int {
  var done = 0
  while done < count {
    let got = retrying { pread(descriptor, base + done, count - done, off_t(offset + done)) }
    guard got >= 0 else { throw systemError("read", path) }
    if got == 0 { break }
    done += got
  }
  return done
}

/// Writes all bytes at an offset.
func writeFully(
  _ descriptor: Int32, at offset: Int, from base: UnsafeRawPointer, count: Int, path: String,
  by operations: any FileOperations
) throws(CheckpointError) {
  var done = 0
  while done < count {
    let put = try perform("write", path) { () throws(SystemFailure) in
      try operations.write(
        descriptor, at: offset + done, from: base + done, count: count - done)
    }
    guard put > 0 else { throw systemError("write", path, number: ENOSPC) }
    done += put
  }
}

/// Memory of zeros beside the heap; nil if the system has none.
func mapPages(byteCount: Int) -> UnsafeMutableRawPointer? {
  let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0)
  return base == MAP_FAILED ? nil : base
}

/// Gives memory of `mapPages` back.
func unmapPages(_ base: UnsafeMutableRawPointer, byteCount: Int) { munmap(base, byteCount) }

/// Renames without replacing what may be there.
func renameWithoutReplacing(_ source: String, _ target: String) throws(CheckpointError) {
  let operations = FileSystem.operations
  do throws(SystemFailure) {
    do throws(SystemFailure) { try operations.rename(source, to: target, .keeping) } catch {
      guard cannotPromise(error) else { throw error }
      // Look first. The race is with somebody who creates the same name just now.
      guard !fileExists(target) else { throw SystemFailure(EEXIST) }
      try operations.rename(source, to: target, .replacing)
    }
  } catch {
    guard error.number == EEXIST else {
      throw systemError("rename to", target, number: error.number)
    }
    throw CheckpointError(
      .conflict, "something has appeared there while the work was done", file: target,
      hint: "move it away, or choose another destination")
  }
}

/// Whether the file system can't do more than rename over what is there.
private func cannotPromise(_ failure: SystemFailure) -> Bool {
  [EINVAL, ENOTSUP, ENOSYS].contains(failure.number)
}

/// Renames over a file that may be there.
func renameReplacing(_ source: String, _ target: String) throws(CheckpointError) {
  try perform("rename to", target) { () throws(SystemFailure) in
    try FileSystem.operations.rename(source, to: target, .replacing)
  }
}

/// Exchanges two paths in one step.
///
/// - Returns: false where the file system can't.
func exchange(_ first: String, _ second: String) throws(CheckpointError) -> Bool {
  try perform("replace", second) { () throws(SystemFailure) in
    do throws(SystemFailure) {
      try FileSystem.operations.rename(first, to: second, .exchanging)
      return true
    } catch {
      guard cannotPromise(error) else { throw error }
      return false
    }
  }
}

/// Whether anything, a broken link too, has that path.
public func fileExists(_ path: String) -> Bool {
  var status = stat()
  return lstat(path, &status) == 0
}

/// Bytes that an unprivileged process can still write to the file system of a path.
public func freeByteCount(at path: String) -> Int? {
  var status = statvfs()
  guard statvfs(path, &status) == 0 else { return nil }
  let (bytes, overflow) = Int(clamping: status.f_bavail).multipliedReportingOverflow(
    by: Int(clamping: status.f_frsize))
  return overflow ? Int.max : bytes
}
