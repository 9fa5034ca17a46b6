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
/// It replaces a file of its own kind and nothing else: no input, no other file, no link, no folder; without a kind, nothing.
public final class SingleOutput: Sendable {
  /// What may be replaced.
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
  }

  /// The file that is written.
  public let file: OutputFile
  private let path: String
  private let kind: Kind?
  private let inputs: ReadFiles
  private let isFinished = Mutex(false)

  /// Files that several runs may be writing at once.
  private static let maximumCount = 1000

  /// Makes sure that the file may stand there, and creates one beside it.
  ///
  /// - Parameters:
  ///   - path: of the output.
  ///   - kind: what it is, and may replace; nil where nothing is replaced.
  ///   - inputs: what is read, which it may not replace.
  ///   - byteCount: reserved for it.
  /// - Throws: `conflict` if something is in the way, `missing` without a directory, `noSpace`, `inputOutput`.
  public init(
    _ path: String, _ kind: Kind?, besides inputs: ReadFiles, byteCount: Int = 0
  ) throws(CheckpointError) {
    self.path = path
    self.kind = kind
    self.inputs = inputs
    try Self.requireReplaceable(path, kind, inputs)
    try Directories.requireParent(Directories.split(path).parent)
    Self.removeAbandoned(path)
    for candidate in Self.partials(of: path) where !fileExists(candidate) {
      let created = try OutputFile(creating: candidate, byteCount: byteCount)
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

  /// Removes what runs that were killed have left of a file: what has such a run's name and is locked by nobody.
  ///
  /// Whoever lists a folder that the file goes into calls this first: it would be listed.
  ///
  /// - Parameter path: of the output.
  public static func removeAbandoned(_ path: String) {
    for partial in partials(of: path)
    where FileKind(ofEntry: partial) == .file && !Directories.hasOtherNames(partial) {
      guard let descriptor = try? openDescriptor(partial, O_RDONLY | O_NOFOLLOW, action: "open")
      else { continue }
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
        try? FileSystem.operations.removeFile(partial)
      }
      close(descriptor)
    }
  }

  deinit {
    // Once it has its name, the other one may be somebody else's.
    if !isFinished.withLock({ $0 }) { try? FileSystem.operations.removeFile(file.path) }
  }

  private static func requireReplaceable(
    _ path: String, _ kind: Kind?, _ inputs: ReadFiles
  ) throws(CheckpointError) {
    guard let found = FileKind(ofEntry: path) else { return }
    try inputs.refuseLoss(of: path)
    var isOwn = false
    if let kind, found == .file {
      let region = try InputFile(path: path).region
      let head = try region.head(kind.beginnings.map(\.count).max() ?? 0)
      isOwn = kind.beginnings.contains {
        $0.isEmpty ? head.isEmpty : head.starts(with: $0)
      }
    }
    guard isOwn else {
      throw CheckpointError(
        .conflict, "is in the way, and isn't replaced", file: path,
        expected: kind?.title ?? "nothing",
        found: found == .file
          ? kind == nil ? "a file" : "a file of another kind"
          : PathObstacle.text(path) ?? "a link",
        hint: "name another file for the output, or remove this one by hand")
    }
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Throws: `noSpace`, `inputOutput`, or `conflict` if something else has appeared there.
  public func finish() throws(CheckpointError) {
    try file.synchronise()
    try Self.requireReplaceable(path, kind, inputs)
    if kind == nil {
      try renameWithoutReplacing(file.path, path)
    } else {
      try renameReplacing(file.path, path)
    }
    isFinished.withLock { $0 = true }
    try Directories.synchronise(Directories.split(path).parent)
  }
}
