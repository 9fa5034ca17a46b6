import FileContainers
import TensorModel

/// What has the name of a folder of parts: this tool's own, or somebody else's, in which nothing is written and of which nothing is removed.
struct OwnParts {
  private let partialPath: String

  /// How many foreign files are named.
  private static let shownCount = 3

  /// Looks at a partial directory.
  init(_ partialPath: String) { self.partialPath = partialPath }

  /// Makes sure that all that lies in it is of parts, of a merge, or of a conversion without parts, as far as names tell.
  ///
  /// - Throws: `conflict` with the names of what isn't, `inputOutput`.
  func require() throws(CheckpointError) {
    switch FileKind(ofEntry: partialPath) {
    case nil: return
    case .directory: break
    default: throw conflict("a file or a link")
    }
    var strangers: [String] = []
    for name in try Directories.names(in: partialPath)
    where name != AtomicDestination.markName {
      let path = "\(partialPath)/\(name)"
      guard PartsFolder.isName(name), FileKind(ofEntry: path) == .directory else {
        strangers.append(name)
        continue
      }
      // Other processes may be at work in it: what has gone meanwhile was theirs.
      let inner = (try? Directories.names(in: path)) ?? []
      strangers += inner.filter { !PartsFolder.isEntry($0) }.map { "\(name)/\($0)" }
    }
    guard strangers.isEmpty else {
      if fileExists("\(partialPath)/\(AtomicDestination.markName)") {
        throw Self.undivided(partialPath)
      }
      let shown = strangers.sorted().prefix(Self.shownCount).joined(separator: ", ")
      let rest = strangers.count - Self.shownCount
      throw conflict(rest > 0 ? "\(shown) and \(rest) more" : shown)
    }
  }

  /// The error for a directory that a conversion without parts works in.
  static func undivided(_ partialPath: String) -> CheckpointError {
    CheckpointError(
      .conflict, "an unfinished conversion without --part is there", file: partialPath,
      hint:
        "go on with that by --resume without --part, or remove it: \(shellCommand("rm -r", partialPath))"
    )
  }

  private func conflict(_ found: String) -> CheckpointError {
    CheckpointError(
      .conflict, "is in the way: it has files that this tool didn't write", file: partialPath,
      found: found, hint: "move away what isn't, or choose another destination")
  }
}
