import Synchronization
public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An output that is one file beside no others, such as logits or a report: written under a free name, and given its own when it is complete.
///
/// It replaces a file of its own kind and nothing else: no input, no other file, no link, no folder.
public final class SingleOutput: Sendable {
  /// What is written, and may be replaced.
  public struct Kind: Sendable {
    /// For messages: `a numpy array`.
    let title: String
    /// What such files begin with: one of these.
    let beginnings: [[UInt8]]

    /// A kind of files.
    public init(title: String, beginning: [UInt8]) {
      self.init(title: title, beginnings: [beginning])
    }

    /// A kind of files that begin in one of several ways; an empty one is for files without contents.
    public init(title: String, beginnings: [[UInt8]]) {
      self.title = title
      self.beginnings = beginnings
    }

    /// The most bytes that tell a file of the kind.
    var headByteCount: Int { beginnings.map(\.count).max() ?? 0 }

    func isBeginning(of head: [UInt8]) -> Bool {
      beginnings.contains { $0.isEmpty ? head.isEmpty : head.starts(with: $0) }
    }
  }

  /// The file that is written.
  public let file: OutputFile
  private let path: String
  private let kind: Kind
  private let replaces: Bool
  private let inputs: ReadFiles
  private let isFinished = Mutex(false)

  /// Files that several runs may be writing at once.
  private static let maximumCount = 1000

  /// Makes sure that the file may stand there, and creates one beside it.
  ///
  /// - Parameters:
  ///   - path: of the output.
  ///   - kind: what it is.
  ///   - replaces: whether it may replace a file of this kind.
  ///   - inputs: what is read, which it may not replace.
  ///   - byteCount: reserved for it.
  /// - Throws: `conflict` if something is in the way, `missing` without a directory, `noSpace`, `inputOutput`.
  public init(
    _ path: String, _ kind: Kind, replaces: Bool = true, besides inputs: ReadFiles,
    byteCount: Int = 0
  ) throws(CheckpointError) {
    self.path = path
    self.kind = kind
    self.replaces = replaces
    self.inputs = inputs
    guard path != "-" else {
      throw CheckpointError(
        .usage, "an output of this kind isn't written to standard output", file: path,
        hint: "name a file; ./- is one with this name")
    }
    try Self.requireReplaceable(path, kind, replaces, inputs)
    try Directories.requireParent(Directories.split(path).parent)
    Self.removeAbandoned(path, kind)
    for candidate in Self.partials(of: path) where !fileExists(candidate) {
      let created: OutputFile
      do throws(CheckpointError) {
        created = try OutputFile(creating: candidate, byteCount: byteCount)
      } catch {
        // Nobody has asked for the name that it has until it is complete.
        var placed = error
        placed.file = path
        throw placed
      }
      // Another run may have taken it for abandoned, before it was locked.
      guard created.lock() else { continue }
      file = created
      return
    }
    throw CheckpointError(
      .conflict, "too many runs are writing this file", file: path,
      hint: "wait for them to end, or name another file for the output")
  }

  /// Where runs write that haven't finished.
  private static func partials(of path: String) -> [String] {
    let (parent, name) = Directories.split(path)
    return (1...maximumCount).map { "\(parent)/.\(name).\($0).partial" }
  }

  /// Removes what runs that were killed have left of a file: what has such a run's name, begins as such a file does, and is locked by nobody.
  ///
  /// Whoever lists a folder that the file goes into calls this first: it would be listed.
  ///
  /// - Parameters:
  ///   - path: of the output.
  ///   - kind: what it is.
  public static func removeAbandoned(_ path: String, _ kind: Kind) {
    for partial in partials(of: path)
    where FileKind(ofEntry: partial) == .file && !Directories.hasOtherNames(partial) {
      _ = ifUnlocked(partial) {
        if isUnfinished(partial, kind) { try? FileSystem.operations.removeFile(partial) }
      }
    }
  }

  /// Does something with a file that no run has locked, which is locked meanwhile.
  ///
  /// - Returns: false if one has, or the file can't be opened.
  private static func ifUnlocked(_ path: String, _ body: () -> Void) -> Bool {
    guard let descriptor = try? openDescriptor(path, O_RDONLY | O_NOFOLLOW, action: "open")
    else { return false }
    defer { close(descriptor) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return false }
    body()
    return true
  }

  /// Makes sure that no other run is writing the same file: for work of hours, of which only one could be kept.
  ///
  /// - Throws: `conflict` if one is.
  public func requireAlone() throws(CheckpointError) {
    for other in Self.partials(of: path)
    where other != file.path && FileKind(ofEntry: other) == .file {
      guard Self.ifUnlocked(other, {}) else {
        throw CheckpointError(
          .conflict, "another run is writing this file", file: path,
          hint: "wait for it to end, or name another file for the output")
      }
    }
  }

  /// Whether a file has nothing yet, zeros that were reserved, or the beginning of a file of the kind.
  private static func isUnfinished(_ path: String, _ kind: Kind) -> Bool {
    guard let head = try? InputFile(path: path).region.head(max(kind.headByteCount, 1))
    else { return false }
    // A run can be killed within its first bytes, too.
    return head.allSatisfy { $0 == 0 }
      || kind.beginnings.contains { head.starts(with: $0) || $0.starts(with: head) }
  }

  deinit {
    // Once it has its name, the other one may be somebody else's.
    if !isFinished.withLock({ $0 }) { try? FileSystem.operations.removeFile(file.path) }
  }

  private static func requireReplaceable(
    _ path: String, _ kind: Kind, _ replaces: Bool, _ inputs: ReadFiles
  ) throws(CheckpointError) {
    guard let found = FileKind(ofEntry: path) else { return }
    try inputs.refuseLoss(of: path)
    var isOwn = false
    if replaces, found == .file {
      isOwn = kind.isBeginning(of: try InputFile(path: path).region.head(kind.headByteCount))
    }
    guard isOwn else {
      throw CheckpointError(
        .conflict, "is in the way, and isn't replaced", file: path,
        expected: replaces ? kind.title : "nothing",
        found: found == .file
          ? replaces ? "a file of another kind" : "a file"
          : PathObstacle.text(path) ?? "a link",
        hint: "name another file for the output, or remove this one by hand")
    }
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Throws: `noSpace`, `inputOutput`, or `conflict` if something else has appeared there.
  public func finish() throws(CheckpointError) {
    try file.synchronise()
    try Self.requireReplaceable(path, kind, replaces, inputs)
    if replaces {
      try renameReplacing(file.path, path)
    } else {
      try renameWithoutReplacing(file.path, path)
    }
    isFinished.withLock { $0 = true }
    try Directories.synchronise(Directories.split(path).parent)
  }
}
