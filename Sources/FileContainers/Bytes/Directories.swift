// Directories: listing, creating, removing, syncing, and what a path really names.

public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a path leads to, links followed.
public enum FileKind: Sendable {
  /// A regular file.
  case file
  /// A directory.
  case directory
  /// A pipe, socket or device.
  case other

  /// The kind of a path; nil if there is nothing, or a link that leads nowhere.
  public init?(of path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .directory
    default: self = .other
    }
  }
}

extension FileKind {
  /// The kind of what has a name, links not followed; nil if there is nothing.
  public init?(ofEntry path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .directory
    default: self = .other
    }
  }
}

/// Working with directories.
public enum Directories {
  /// The most entries that a listing takes in.
  static let maximumEntryCount = 1_000_000

  /// The names in a directory, sorted by their UTF-8 bytes; names that aren't UTF-8 are repaired and so won't open.
  ///
  /// - Throws: `inputOutput` or `missing`.
  public static func names(in path: String) throws(CheckpointError) -> [String] {
    guard let stream = opendir(path) else { throw systemError("list", path) }
    defer { closedir(stream) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
      guard names.count <= maximumEntryCount else {
        throw CheckpointError(
          .unsupported, "too many files in a directory", file: path,
          expected: "at most \(maximumEntryCount)")
      }
      errno = 0
    }
    guard errno == 0 else { throw systemError("list", path) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Makes sure that a directory is there for something to be written into.
  ///
  /// - Throws: `missing` with the command that makes it, `usage` if something else is there.
  public static func requireParent(_ path: String) throws(CheckpointError) {
    switch FileKind(of: path) {
    case .directory: return
    case nil:
      throw CheckpointError(
        .missing, "the destination's directory doesn't exist", file: path,
        hint: shellCommand("mkdir -p", path))
    default:
      throw CheckpointError(
        .usage, "isn't a folder, so nothing can be written there", file: path,
        expected: "a folder", found: PathObstacle.text(path) ?? "a file",
        hint: "choose another destination")
    }
  }

  /// Creates a directory that must not exist yet.
  ///
  /// - Throws: `inputOutput`, `missing` or `noSpace`.
  public static func create(_ path: String) throws(CheckpointError) {
    try perform("create the directory", path) { () throws(SystemFailure) in
      try FileSystem.operations.createDirectory(path)
    }
  }

  /// Creates the folders that a name with slashes goes through, where they are missing.
  ///
  /// - Parameters:
  ///   - name: relative to the folder, made by us.
  ///   - folder: exists.
  /// - Throws: `inputOutput` or `noSpace`.
  public static func createParents(of name: String, in folder: String) throws(CheckpointError) {
    var path = folder
    for component in components(of: name).dropLast() {
      path += "/\(component)"
      if !fileExists(path) { try create(path) }
    }
  }

  /// Makes the names in all folders that some names go through durable, deepest first.
  ///
  /// - Parameters:
  ///   - names: relative to the folder.
  ///   - folder: itself not included.
  /// - Throws: `inputOutput`.
  public static func synchroniseParents(
    of names: [String], in folder: String
  ) throws(CheckpointError) {
    var parents: Set<String> = []
    for name in names {
      var components = components(of: name).dropLast()
      while !components.isEmpty {
        parents.insert(components.joined(separator: "/"))
        components.removeLast()
      }
    }
    for parent in parents.sorted(by: >) { try synchronise("\(folder)/\(parent)") }
  }

  /// What stands between the slashes of a name, also where a combining accent follows one: that is a slash for the system, and none for
  /// Swift's characters.
  ///
  /// - Parameter name: a relative path.
  /// - Returns: its components, none of them empty.
  public static func components(of name: String) -> [String] {
    name.unicodeScalars.split(separator: "/").map { String($0) }
  }

  /// The first components of some names, each once, in the order of their last appearance.
  public static func topLevel(_ names: [String]) -> [String] {
    var seen: Set<String> = []
    return names.reversed().compactMap { name in
      let top = String(name.unicodeScalars.prefix { $0 != "/" })
      return seen.insert(top).inserted ? top : nil
    }.reversed()
  }

  /// Removes a file, or a directory with everything in it; links are removed, not followed.
  ///
  /// - Throws: `inputOutput`. A path that is not there is fine.
  public static func removeTree(_ path: String) throws(CheckpointError) {
    var pending = [path]
    while let current = pending.last {
      var status = stat()
      guard lstat(current, &status) == 0 else {
        if errno == ENOENT {
          pending.removeLast()
          continue
        }
        throw systemError("remove", current)
      }
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      if isDirectory {
        let children = try names(in: current)
        if !children.isEmpty {
          pending.append(contentsOf: children.map { "\(current)/\($0)" })
          continue
        }
      }
      try perform("remove", current) { () throws(SystemFailure) in
        try isDirectory
          ? FileSystem.operations.removeDirectory(current)
          : FileSystem.operations.removeFile(current)
      }
      pending.removeLast()
    }
  }

  /// Gives a file another name in the same file system, which must be free.
  ///
  /// - Throws: `conflict` or `inputOutput`.
  public static func rename(_ path: String, to target: String) throws(CheckpointError) {
    try renameWithoutReplacing(path, target)
  }

  /// Puts a file in the place of one that may be there, in one step.
  ///
  /// - Parameters:
  ///   - target: the place.
  ///   - path: where the file is, in the same file system.
  /// - Throws: `inputOutput` if it isn't there then, whatever the system has said.
  public static func replace(_ target: String, by path: String) throws(CheckpointError) {
    do throws(CheckpointError) { try renameReplacing(path, target) } catch {
      guard !fileExists(path), fileExists(target) else { throw error }
    }
  }

  /// Makes the names in a directory durable.
  ///
  /// - Throws: `inputOutput`.
  public static func synchronise(_ path: String) throws(CheckpointError) {
    try perform("sync", path) { () throws(SystemFailure) in
      try FileSystem.operations.synchronise(directory: path)
    }
  }

  /// What a directory is besides a directory, where that keeps it from being replaced: a mount point, the home directory, one that the process is in.
  ///
  /// - Parameter path: of a directory.
  /// - Returns: words for a message; nil for plain directories.
  public static func specialPlace(_ path: String) -> String? {
    let place = resolved(path)
    let current = resolved(".")
    if current == place || current.hasPrefix(place == "/" ? "/" : "\(place)/") {
      return "a directory that the command runs in"
    }
    let homes = [getenv("HOME"), getpwuid(getuid())?.pointee.pw_dir].compactMap { $0 }
    if homes.contains(where: { resolved(String(cString: $0)) == place }) {
      return "the home directory"
    }
    return isMountPoint(place) ? "a mount point" : nil
  }

  /// The number of files in a directory and their bytes, or those of one file; links aren't followed.
  ///
  /// - Throws: `inputOutput`.
  public static func size(
    of path: String
  ) throws(CheckpointError) -> (fileCount: Int, byteCount: Int) {
    var (files, bytes) = (0, 0)
    for file in try Self.files(in: path) {
      var status = stat()
      guard lstat(file, &status) == 0 else { continue }
      (files, bytes) = (files + 1, bytes + Int(status.st_size))
    }
    return (files, bytes)
  }

  /// The paths of all that is in a directory and its folders and is no folder, or of one file; links aren't followed.
  ///
  /// - Throws: `inputOutput`.
  public static func files(in path: String) throws(CheckpointError) -> [String] {
    var found: [String] = []
    var pending = [path]
    while let current = pending.popLast() {
      guard FileKind(ofEntry: current) == .directory else {
        if fileExists(current) { found.append(current) }
        continue
      }
      pending += try names(in: current).reversed().map { "\(current)/\($0)" }
    }
    return found
  }

  /// Whether a file has other names, too: hard links.
  public static func hasOtherNames(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_nlink > 1
  }

  /// Whether a file is there that isn't empty.
  public static func hasContents(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_size > 0
  }

  /// The absolute path with all links resolved; for a path that doesn't exist yet, that of its parent plus the name.
  public static func resolved(_ path: String) -> String {
    if let real = realpath(path, nil) {
      defer { free(real) }
      return String(cString: real)
    }
    let (parent, name) = split(path)
    guard let real = realpath(parent, nil) else { return path }
    defer { free(real) }
    let directory = String(cString: real)
    return directory == "/" ? "/\(name)" : "\(directory)/\(name)"
  }

  /// Parent and last component of a path: `a/b/` gives `a` and `b`, `b` gives `.` and `b`.
  public static func split(_ path: String) -> (parent: String, name: String) {
    // As in `components(of:)`.
    var trimmed = path.unicodeScalars[...]
    while trimmed.count > 1 && trimmed.last == "/" { trimmed.removeLast() }
    guard let slash = trimmed.lastIndex(of: "/") else { return (".", String(trimmed)) }
    let parent = trimmed[..<slash]
    return (parent.isEmpty ? "/" : String(parent), String(trimmed[trimmed.index(after: slash)...]))
  }
}
