import FileContainers
import TensorModel

/// Files as they were at some time: what the system knows each by, its size, and when it was changed.
///
/// A file that takes another's place by renaming, also if that comes back later, has another identity or another time of its entry, which
/// nobody can set.
struct SeenFiles {
  private struct Mark: Hashable {
    let identity: FileIdentity
    let byteCount: Int
    let modificationTime: Int
    let changeTime: Int

    init(_ path: String) throws(CheckpointError) {
      let file = try InputFile(path: path)
      identity = file.identity
      byteCount = file.byteCount
      modificationTime = file.modificationTime
      changeTime = file.changeTime
    }
  }

  private let marks: [ExactName: Mark]

  /// Looks at files.
  ///
  /// - Throws: `missing`, `inputOutput`.
  init(_ paths: [String]) throws(CheckpointError) {
    var marks: [ExactName: Mark] = [:]
    for path in paths { marks[ExactName(path)] = try Mark(path) }
    self.marks = marks
  }

  /// Makes sure that the same files are there as they were.
  ///
  /// - Parameter paths: of the files that are there now.
  /// - Throws: `inputOutput` with the first that is another, is gone or has come.
  func confirm(_ paths: [String]) throws(CheckpointError) {
    let now = Set(paths.map { ExactName($0) })
    var other = Set(marks.keys).symmetricDifference(now).min()
    for path in paths where other == nil {
      if try marks[ExactName(path)] != Mark(path) { other = ExactName(path) }
    }
    guard let other else { return }
    throw CheckpointError(
      .inputOutput, "was changed while its derivation was made again, and isn't signed",
      file: other.text, hint: "start again when nothing writes to it any more")
  }
}
