import FileContainers
import TensorModel

/// An attempt at a part: a folder that one process works in, until it is complete or another process takes it over.
struct PartAttempt: Sendable {
  let folder: PartsFolder
  let part: PartNumber
  /// Where it lies, as long as nobody takes it over.
  let path: String
  /// Whether another process has begun it.
  let isTakenOver: Bool

  /// Where files and pieces are written.
  var filesPath: String { "\(path)/\(PartRecord.folderName)" }
  var journalPath: String { "\(path)/\(Journal.fileName)" }

  /// What an attempt is called.
  private static func path(_ folder: PartsFolder, _ part: PartNumber) -> String {
    "\(folder.path(of: part)).\(SharedFolder.uniqueName())"
  }

  /// Begins an attempt, or takes over one that is unfinished: nobody can tell whether its process lives, and which does then finds it gone.
  ///
  /// - Parameters:
  ///   - folder: of the parts.
  ///   - part: which.
  ///   - resuming: whether an unfinished attempt may be taken over.
  /// - Throws: `noSpace`, `inputOutput`.
  init(
    _ folder: PartsFolder, _ part: PartNumber, resuming: Bool
  ) throws(CheckpointError) {
    self.folder = folder
    self.part = part
    let own = Self.path(folder, part)
    path = own
    isTakenOver = resuming ? try Self.takesOver(own, folder, part) : false
    if !isTakenOver { try SharedFolder.makeDirectory(own) }
    do throws(CheckpointError) { try SharedFolder.makeDirectory(filesPath) } catch {
      // Another one may have been so fast.
      guard isOwn else { throw takenOver }
      throw error
    }
    try Directories.synchronise(folder.path)
  }

  /// Renames an unfinished attempt, if there is one.
  private static func takesOver(
    _ own: String, _ folder: PartsFolder, _ part: PartNumber
  ) throws(CheckpointError) -> Bool {
    for name in try folder.attempts(at: part)
    where FileKind(ofEntry: "\(folder.path)/\(name)") == .directory {
      if try SharedFolder.move("\(folder.path)/\(name)", to: own) { return true }
    }
    return false
  }

  /// Whether nobody has taken it over.
  var isOwn: Bool { FileKind(ofEntry: path) == .directory }

  /// The error for work that another process goes on with.
  var takenOver: CheckpointError {
    CheckpointError(
      .conflict, "another process has taken part \(part) over and goes on with it",
      file: folder.path,
      hint: "leave it to that one; weighbridge status says how far all parts are")
  }

  /// Gives a complete attempt its name.
  ///
  /// - Throws: `conflict` if it was taken over, `inputOutput`.
  func finish() throws(CheckpointError) {
    for place in [filesPath, path] { try Directories.synchronise(place) }
    let isDone = try SharedFolder.move(path, to: folder.path(of: part))
    if !isDone {
      // Another one was faster; or this one was taken over, and that isn't complete yet.
      guard try folder.record(of: part) != nil else { throw takenOver }
      try Directories.removeTree(path)
    }
    try Directories.synchronise(folder.path)
  }

  /// Removes it and all in it.
  func discard() { try? Directories.removeTree(path) }
}
