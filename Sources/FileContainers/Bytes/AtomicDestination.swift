// A destination is complete or absent. Work goes into a hidden directory beside it, which is renamed at the end.

public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file or directory in the making.
///
/// Where a directory is being made, the partial directory becomes it. Where one file is, or where an existing empty directory (a mount, a volume) is
/// filled, files are moved out of the partial directory one by one, in an order that leaves nothing that looks complete and isn't. A file may be cut
/// into parts, which then stand beside each other instead of it.
public final class AtomicDestination: Sendable {
  /// What is being made.
  public enum Kind: Sendable {
    /// A directory.
    case directory
    /// One file, and other files beside it.
    case file
  }

  /// The destination's path, without a slash at its end.
  public let path: String
  /// Where the work goes: `.NAME.partial`.
  public let partialPath: String
  /// A directory or one file.
  public let kind: Kind
  /// Whether an existing empty directory is filled.
  public let fillsExistingDirectory: Bool
  let parent: String
  /// Names of the files, or of the directory, that give way.
  let replaced: [String]
  /// Tells the parts that the file may be cut into, and that stand instead of it.
  public let partCount: PartCount?
  private let replacement: Replacement
  let isForced: Bool
  /// Whether an interrupted run has given the result its name already.
  let resumesPublication: Bool

  /// Tells the parts of a file from other files: of a file's name, how many parts the set has that it belongs to; nil for other files.
  public typealias PartCount = @Sendable (_ name: String) -> Int?

  /// Makes sure that what has a path may give way to the result.
  public typealias Replacement = @Sendable (_ path: String) throws(CheckpointError) -> Void

  /// Looks at what is there.
  ///
  /// - Parameters:
  ///   - path: of the destination.
  ///   - kind: a directory or a file.
  ///   - partCount: where a file is cut into parts, tells them.
  ///   - replacement: is asked whether something that exists may be replaced, now and before it is.
  ///   - isForced: whether anything may be replaced at all.
  ///   - resuming: whether a file that exists may be the one that an interrupted run has just published.
  ///   - folder: the folder of the usual partial directory where the work goes, relative to it; nil for that itself.
  /// - Throws: `conflict` if something is in the way, `missing` if there is no parent directory.
  public init(
    _ path: String, kind: Kind, partCount: PartCount? = nil,
    replacing replacement: @escaping Replacement, isForced: Bool, resuming: Bool = false,
    workingIn folder: String? = nil
  ) throws(CheckpointError) {
    let (parent, name) = Directories.split(path)
    guard !name.isEmpty, name != ".", name != "..", name != "/" else {
      throw CheckpointError(
        .usage, "not usable as a destination", file: path, expected: "a name of its own",
        hint:
          "name a new folder or file, such as \(shellQuoted(path == "/" ? "/out" : "\(path)/out"))")
    }
    try Directories.requireParent(parent)
    self.path =
      parent == "." && !path.hasPrefix("./") ? name : "\(parent == "/" ? "" : parent)/\(name)"
    self.parent = parent
    self.kind = kind
    self.partCount = partCount
    self.replacement = replacement
    self.isForced = isForced
    let isDirectory = FileKind(of: path) == .directory
    fillsExistingDirectory = try kind == .directory && isDirectory ? Self.isFilled(path) : false
    partialPath =
      Self.partialPath(parent, name, isInside: fillsExistingDirectory)
      + (folder.map { "/\($0)" } ?? "")
    let existing = try Self.existing(parent, name, partCount)
    var isPublished = false
    if kind == .file && resuming && FileKind(ofEntry: partialPath) == .directory {
      let names = try Directories.names(in: partialPath)
      // A run that may not replace anything had nothing in its way: where nothing is left of it, it was at its very end.
      if names.contains(Self.publicationName) || names.isEmpty && !isForced {
        isPublished = Self.isPublished(existing, names, partCount)
      }
    }
    resumesPublication = isPublished
    replaced = fillsExistingDirectory || isPublished ? [] : existing
    for name in replaced {
      let found = FileKind(of: "\(parent)/\(name)")
      guard found == (kind == .directory ? .directory : .file) || found == nil else {
        throw CheckpointError(
          .conflict, "is something that can't be replaced", file: path,
          expected: kind == .directory ? "a directory" : "a regular file",
          found: found == .directory
            ? "a directory" : found == .file ? "a file" : "a device or pipe",
          hint: "choose another destination")
      }
    }
    if let first = replaced.first, !isForced {
      var refusal: CheckpointError?
      do throws(CheckpointError) { try requireReplaceable() } catch { refusal = error }
      throw CheckpointError(
        .conflict, isDirectory ? "already exists and is not empty" : "already exists",
        file: first == name ? path : "\(parent)/\(first)",
        hint: refusal.map {
          "choose another destination; --force doesn't replace this one either: \($0.summary)"
        } ?? "choose another destination, or --force to replace this one")
    }
    try requireReplaceable()
  }

  /// Where the work of a destination goes, whatever stands there.
  ///
  /// - Parameters:
  ///   - path: of the destination.
  ///   - kind: a directory or a file.
  /// - Returns: `.NAME.partial` beside it, or in an existing directory that is filled.
  /// - Throws: `inputOutput`.
  public static func partialPath(
    of path: String, kind: Kind
  ) throws(CheckpointError) -> String {
    let (parent, name) = Directories.split(path)
    let isDirectory = kind == .directory && FileKind(of: path) == .directory
    let isInside = try isDirectory ? isFilled(path) : false
    return partialPath(parent, name, isInside: isInside)
  }

  private static func partialPath(_ parent: String, _ name: String, isInside: Bool) -> String {
    let folder = "\(parent == "/" ? "" : parent)/\(name)"
    return isInside
      ? "\(parent == "." ? name : folder)/.\(name).partial" : "\(parent)/.\(name).partial"
  }

  /// Whether a directory is empty, or is being filled already.
  private static func isFilled(_ path: String) throws(CheckpointError) -> Bool {
    let partialName = ".\(Directories.split(path).name).partial"
    let others = try Directories.names(in: path).filter { $0 != partialName }
    return others.isEmpty || fileExists("\(path)/\(partialName)")
  }

  /// Makes sure that all that stands where the result goes may still give way.
  ///
  /// - Throws: what the replacement throws.
  public func requireReplaceable() throws(CheckpointError) {
    for name in replaced where fileExists("\(parent)/\(name)") {
      try replacement(parent == "." ? name : "\(parent)/\(name)")
    }
  }

  /// How many files and bytes give way, for messages; nil if nothing does.
  ///
  /// - Throws: `inputOutput`.
  public func replacedSize() throws(CheckpointError) -> (fileCount: Int, byteCount: Int)? {
    guard replaces else { return nil }
    var (files, bytes) = (0, 0)
    for name in replaced {
      let size = try Directories.size(of: "\(parent)/\(name)")
      (files, bytes) = (files + size.fileCount, bytes + size.byteCount)
    }
    return (files, bytes)
  }

  /// Names of what stands where the result goes: the file itself, and parts of it.
  private static func existing(
    _ parent: String, _ name: String, _ partCount: PartCount?
  ) throws(CheckpointError) -> [String] {
    let whole = fileExists("\(parent)/\(name)") ? [name] : []
    guard let partCount else { return whole }
    return whole + (try Directories.names(in: parent).filter { partCount($0) != nil })
  }

  /// Whether files are those that an interrupted run has published: its partial directory no longer has them, but may have other parts.
  private static func isPublished(
    _ existing: [String], _ partial: [String], _ partCount: PartCount?
  ) -> Bool {
    guard !existing.contains(where: partial.contains) else { return false }
    guard let partCount, existing.contains(where: { partCount($0) != nil }) else { return true }
    let parts = existing + partial.filter { partCount($0) != nil }
    return existing.allSatisfy { partCount($0) != nil } && Set(parts.map(partCount)).count <= 1
  }

  /// Whether anything does.
  var replaces: Bool { !replaced.isEmpty }

  /// Whether an earlier run has left its work.
  public var hasPartial: Bool { fileExists(partialPath) }

  /// Creates the partial directory, or takes up the one that is there, and locks it against other runs.
  ///
  /// - Returns: the lock, to be kept until the end.
  /// - Throws: `conflict` if another process works there.
  public func begin() throws(CheckpointError) -> DirectoryLock {
    let isNew = !hasPartial
    if isNew { try createPartial() }
    let lock = try DirectoryLock(partialPath)
    // Another process may have published the destination since it was looked at.
    if isNew && !replaces && !fillsExistingDirectory,
      try !Self.existing(parent, Directories.split(path).name, partCount).isEmpty
    {
      try discardPartial()
      throw CheckpointError(
        .conflict, "already exists", file: path,
        hint: "choose another destination, or --force to replace this one")
    }
    return lock
  }

  /// The file that makes a partial directory one of ours: written before anything else in it, removed after everything else.
  public static let markName = "journal"

  /// The file that is in the partial directory of one file, or of its parts, while they are moved out: what stands there then may be ours.
  public static let publicationName = "publishing"

  var publicationPath: String { "\(partialPath)/\(Self.publicationName)" }

  /// Creates the partial directory with its mark; none stays without, and no other file outlasts it.
  private func createPartial() throws(CheckpointError) {
    try Directories.create(partialPath)
    let path = "\(partialPath)/\(Self.markName)"
    if fileExists(path) { return }
    do throws(CheckpointError) {
      _ = try OutputFile(creating: path, byteCount: 0)
      try Directories.synchronise(partialPath)
      try Directories.synchronise(Directories.split(partialPath).parent)
    } catch {
      // Only what was made here: another process may have begun there since.
      if (try? DirectoryLock(partialPath)) != nil,
        (try? Directories.size(of: partialPath).byteCount) == 0,
        (try? Directories.names(in: partialPath)) == [Self.markName]
      {
        try? Directories.removeTree(path)
      }
      try? FileSystem.operations.removeDirectory(partialPath)
      throw error
    }
  }

  /// Removes the partial directory and all in it.
  ///
  /// - Throws: `inputOutput`.
  public func discardPartial() throws(CheckpointError) {
    guard FileKind(ofEntry: partialPath) == .directory else { return }
    try removePartial { _ in true }
    try Directories.removeTree(partialPath)
    try Directories.synchronise(Directories.split(partialPath).parent)
  }

  /// Removes files of the partial directory, the marks when the others can't come back.
  func removePartial(_ isRemoved: (String) -> Bool) throws(CheckpointError) {
    let names = try Directories.names(in: partialPath).filter(isRemoved)
    // As long as anything is there, that the result is published is said, too.
    let last = [Self.markName, Self.publicationName]
    for name in names where !last.contains(name) {
      try Directories.removeTree("\(partialPath)/\(name)")
    }
    for name in last where names.contains(name) {
      if names.count > 1 { try Directories.synchronise(partialPath) }
      try Directories.removeTree("\(partialPath)/\(name)")
    }
  }
}
