import FileContainers
import TensorModel

/// What has the name of unfinished work: this tool's own, or somebody else's, which is neither resumed into nor removed.
///
/// The journal says which files the work is of. Anything else in the directory, and every link, is foreign.
struct UnfinishedWork {
  private let path: String

  /// How many foreign files are named.
  private static let shownCount = 3

  /// Looks at what has the path.
  init(_ path: String) { self.path = path }

  /// Makes sure that all of it is this tool's.
  ///
  /// - Throws: `conflict` with the names of what isn't, `inputOutput`.
  func requireOwn() throws(CheckpointError) {
    guard FileKind(ofEntry: path) == .directory else { throw foreign("a file or a link") }
    let files = try Directories.files(in: path)
    if files.isEmpty { return }
    let names = files.map { String($0.dropFirst(path.count + 1)) }
    // The last file of a run that was stopped at its very end says nothing.
    if names == [AtomicDestination.publicationName], isPlain(files[0]),
      try Directories.size(of: path).byteCount == 0
    {
      return
    }
    // A journal behind a link isn't even looked at.
    let journal = try Journal.Mark(of: path)
    if journal?.isOfDiscardedFiles == true { return }
    let strangers = names.filter {
      journal?.isOfWork($0) != true || !isPlain("\(path)/\($0)")
    }
    if strangers.isEmpty { return }
    // A run that was stopped at its very end has left the result, or what it had replaced, with a journal that says nothing yet or without one.
    if journal?.saysNothing ?? !names.contains(Journal.fileName),
      names.contains(where: { $0 == Certificate.fileName || $0.hasSuffix(".certificate.json") }),
      try Replaceable.areOwn(directory: path)
    {
      return
    }
    throw foreign(shown(strangers))
  }

  /// No link, and no other name of a file that somebody keeps: writing to it would change that.
  private func isPlain(_ file: String) -> Bool {
    FileKind(ofEntry: file) == .file && !Directories.hasOtherNames(file)
  }

  private func shown(_ names: [String]) -> String {
    names.prefix(Self.shownCount).joined(separator: ", ")
      + (names.count > Self.shownCount ? " and \(names.count - Self.shownCount) more" : "")
  }

  private func foreign(_ found: String) -> CheckpointError {
    CheckpointError(
      .conflict, "is in the way: it has files that this tool didn't write", file: path,
      found: found, hint: "move away what isn't, or choose another destination")
  }
}
