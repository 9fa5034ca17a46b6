import Synchronization
public import TensorModel

/// The files that something is read from: each is opened once, and shall be the same after the last read as it was then.
public final class PinnedFiles: Sendable {
  private let files = Mutex<[String: InputFile]>([:])

  /// No files yet.
  public init() {}

  /// The file of a path, opened when it is asked for first.
  ///
  /// A file that takes its place later isn't looked at.
  ///
  /// - Throws: what `InputFile` throws.
  public func open(_ path: String) throws(CheckpointError) -> InputFile {
    if let known = files.withLock({ $0[path] }) { return known }
    let file = try InputFile(path: path)
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
