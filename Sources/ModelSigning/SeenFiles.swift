import FileContainers
public import TensorModel

/// Files as they were at some time: what the system knows each by, its size, and when it was changed.
///
/// A file that takes another's place by renaming, also if that comes back later, has another identity or another time of its entry, which
/// nobody can set.
public struct SeenFiles: Sendable {
  private struct Mark: Hashable, Sendable {
    let identity: FileIdentity
    let byteCount: Int
    let modificationTime: Int
    let changeTime: Int

    init(_ path: String, _ withChangeTime: Bool) throws(CheckpointError) {
      let file = try InputFile(path: path)
      identity = file.identity
      byteCount = file.byteCount
      modificationTime = file.modificationTime
      changeTime = withChangeTime ? file.changeTime : 0
    }
  }

  private let marks: [ExactName: Mark]
  private let withChangeTimes: Bool

  /// Looks at files.
  ///
  /// - Parameters:
  ///   - paths: of files; links are followed.
  ///   - withChangeTimes: whether nothing may change a file's entry either, as a new link to it does.
  /// - Throws: `missing`, `inputOutput`.
  public init(_ paths: [String], withChangeTimes: Bool) throws(CheckpointError) {
    var marks: [ExactName: Mark] = [:]
    for path in paths { marks[ExactName(path)] = try Mark(path, withChangeTimes) }
    self.marks = marks
    self.withChangeTimes = withChangeTimes
  }

  /// Makes sure that the same files are there as they were.
  ///
  /// - Parameters:
  ///   - paths: of the files that are there now.
  ///   - consequence: ends the message: "and isn't signed".
  /// - Throws: `inputOutput` with the first that is another, is gone or has come.
  public func confirm(_ paths: [String], _ consequence: String) throws(CheckpointError) {
    let now = Set(paths.map { ExactName($0) })
    var other = Set(marks.keys).symmetricDifference(now).min()
    for path in paths where other == nil {
      if try marks[ExactName(path)] != Mark(path, withChangeTimes) { other = ExactName(path) }
    }
    guard let other else { return }
    throw CheckpointError(
      .inputOutput, "was changed while the files were read, \(consequence)",
      file: other.text, hint: "start again when nothing writes to it any more")
  }
}
