import Foundation
public import TensorModel

/// An exclusive lock on a directory, which the system releases when the process ends, however it ends.
public final class DirectoryLock: Sendable {
  private let descriptor: Int32

  /// Takes the lock.
  ///
  /// - Throws: `conflict` if another process holds it.
  public init(_ path: String) throws(CheckpointError) {
    let descriptor = try openDescriptor(path, O_RDONLY | O_DIRECTORY, action: "open")
    // Some network file systems have no locks; working without one is what their users expect.
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
      close(descriptor)
      throw CheckpointError(
        .conflict, "another process is working on this destination", file: path,
        hint: "wait for it to end, or stop it")
    }
    self.descriptor = descriptor
  }

  deinit {
    // A child process that is just being started has the descriptor, too: closing alone would leave it the lock.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}
