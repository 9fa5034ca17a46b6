import Synchronization
public import TensorModel

/// All that a command reads, whichever option names it and whoever opens it: none of it may be replaced or removed by what the command writes.
///
/// Files are known by their identities, not by their paths, and stay open, so that no other file gets the identity of one that has vanished.
public final class ReadFiles: Sendable {
  private let files = Mutex<[FileIdentity: InputFile]>([:])

  /// Nothing yet.
  public init() {}

  /// Takes in a file that is read.
  func record(_ file: InputFile) {
    files.withLock { $0[file.identity] = $0[file.identity] ?? file }
  }

  /// Makes sure that what has a name isn't a file that is read; a link is none, whatever it leads to.
  ///
  /// - Parameter path: of something that would be replaced or removed.
  /// - Throws: `conflict` with the path by which the file is read.
  public func refuseLoss(of path: String) throws(CheckpointError) {
    guard let identity = FileIdentity(ofEntry: path),
      let input = files.withLock({ $0[identity] })
    else { return }
    throw CheckpointError(
      .conflict, "an input of this command would be replaced", file: path,
      found: input.path == path
        ? "the file that is read" : "the file that is read as \(input.path)",
      hint: "choose another destination")
  }
}
