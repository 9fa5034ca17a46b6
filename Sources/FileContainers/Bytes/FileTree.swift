public import TensorModel

/// Named files that belong together: a directory on disk, a single file, or the members of an archive.
///
/// Paths are relative, with `/` between components; links on disk are followed, as a Hugging Face cache snapshot needs.
public protocol FileTree: Sendable {
  /// What messages call it.
  var displayName: String { get }

  /// Names directly in a folder (`""` is the top), sorted by their bytes; empty if there is no such folder.
  ///
  /// - Throws: `inputOutput`.
  func children(of folder: String) throws(CheckpointError) -> [String]

  /// Whether there is a file of that path.
  func containsFile(_ path: String) -> Bool

  /// Whether a file is a link, or lies behind one, that leads out of what belongs to the tree.
  func leadsOut(_ path: String) -> Bool

  /// The contents of a file.
  ///
  /// - Throws: `missing` or `inputOutput`.
  func region(_ path: String) throws(CheckpointError) -> FileRegion

  /// What stands at a path where there is no file, such as `a named pipe`.
  func obstacle(_ path: String) -> String
}

extension FileTree {
  /// There are no links.
  public func leadsOut(_ path: String) -> Bool { false }

  /// Whether a folder is there, an empty one on disk included.
  ///
  /// - Throws: `inputOutput`.
  public func isFolder(_ path: String) throws(CheckpointError) -> Bool {
    try !children(of: path).isEmpty || obstacle(path) == PathObstacle.folder
  }

  /// Archives have files and folders only.
  public func obstacle(_ path: String) -> String { "nothing" }

  /// All of a small file.
  ///
  /// - Parameters:
  ///   - path: where it is.
  ///   - limit: the most bytes that it may have.
  /// - Returns: its bytes.
  /// - Throws: `missing`, `inputOutput`, or `unsupported` if it is larger.
  public func contents(of path: String, limit: Int) throws(CheckpointError) -> [UInt8] {
    let region = try region(path)
    guard region.byteCount <= limit else {
      throw CheckpointError(
        .unsupported, "too large", file: path, expected: "at most \(limit) bytes",
        found: "\(region.byteCount)", hint: "is it the right file?")
    }
    do { return try region.bytes(at: 0, count: region.byteCount) } catch {
      throw error.in(file: path)
    }
  }
}

/// A directory on disk, read when asked.
public struct DirectoryTree: FileTree {
  /// The directory's path.
  public let path: String
  private let files: PinnedFiles

  /// The tree of a directory.
  ///
  /// - Parameters:
  ///   - path: of the directory.
  ///   - files: keeps what is opened.
  public init(path: String, files: PinnedFiles = PinnedFiles(recordedIn: nil)) {
    self.path = path
    self.files = files
  }

  /// The directory's path.
  public var displayName: String { path }

  /// Names in a folder on disk.
  public func children(of folder: String) throws(CheckpointError) -> [String] {
    let place = folder.isEmpty ? path : "\(path)/\(folder)"
    guard FileKind(of: place) == .directory else { return [] }
    return try Directories.names(in: place)
  }

  /// Whether a regular file is there.
  public func containsFile(_ path: String) -> Bool { FileKind(of: "\(self.path)/\(path)") == .file }

  /// Whether a file is really somewhere else than in the directory, or in the `blobs` of the cache whose snapshot the directory is.
  public func leadsOut(_ path: String) -> Bool {
    let place = Directories.resolved("\(self.path)/\(path)")
    let folder = Directories.resolved(self.path)
    if place.hasPrefix(folder == "/" ? "/" : "\(folder)/") { return false }
    return !leadsToBlob(path)
  }

  /// Whether the directory is a snapshot in Hugging Face's cache, and a file a link to one of that cache's `blobs`.
  public func leadsToBlob(_ path: String) -> Bool {
    // models--a--b/snapshots/0123/config.json is a link to models--a--b/blobs/….
    let snapshots = Directories.split(Directories.resolved(self.path)).parent
    let cache = Directories.split(snapshots)
    let repository = Directories.split(cache.parent).name
    guard cache.name == "snapshots",
      ["models--", "datasets--", "spaces--"].contains(where: repository.hasPrefix)
    else { return false }
    return Directories.resolved("\(self.path)/\(path)").hasPrefix("\(cache.parent)/blobs/")
  }

  /// What is on disk instead of a file.
  public func obstacle(_ path: String) -> String {
    PathObstacle.text("\(self.path)/\(path)") ?? "nothing"
  }

  /// Opens a file on disk.
  public func region(_ path: String) throws(CheckpointError) -> FileRegion {
    do { return try files.open("\(self.path)/\(path)").region } catch {
      var relative = error
      relative.file = path
      throw relative
    }
  }
}

/// The members of an archive, which lie within one file.
public struct ArchiveTree: FileTree {
  /// What messages call it.
  public let displayName: String
  private let members: [ExactName: FileRegion]
  private let folders: [ExactName: [String]]

  /// A tree of members whose paths have been checked.
  ///
  /// - Parameters:
  ///   - displayName: the archive's name.
  ///   - members: paths and contents.
  public init(displayName: String, members: [ExactName: FileRegion]) {
    self.displayName = displayName
    self.members = members
    var folders: [ExactName: Set<ExactName>] = [:]
    for path in members.keys {
      var name = path.text.unicodeScalars[...]
      while true {
        let slash = name.lastIndex(of: "/")
        let folder = slash.map { name[..<$0] } ?? name[name.endIndex...]
        let leaf = slash.map { name[name.index(after: $0)...] } ?? name
        // The folders above are known already when this one isn't new.
        let isNew = folders[ExactName(String(folder)), default: []]
          .insert(ExactName(String(leaf))).inserted
        if slash == nil || !isNew { break }
        name = folder
      }
    }
    self.folders = folders.mapValues { $0.sorted().map(\.text) }
  }

  /// Names in a folder of the archive.
  public func children(of folder: String) -> [String] { folders[ExactName(folder)] ?? [] }

  /// Whether the archive has such a member.
  public func containsFile(_ path: String) -> Bool { members[ExactName(path)] != nil }

  /// A member's bytes.
  public func region(_ path: String) throws(CheckpointError) -> FileRegion {
    guard let region = members[ExactName(path)] else {
      throw CheckpointError(.missing, "no such file in the archive", file: path)
    }
    return region
  }
}

/// A folder of another tree, as a tree of its own.
public struct Subtree: FileTree {
  private let tree: any FileTree
  private let folder: String

  /// The tree of a folder.
  public init(of tree: any FileTree, folder: String) {
    self.tree = tree
    self.folder = folder
  }

  /// The whole tree's name, and the folder.
  public var displayName: String { "\(tree.displayName)/\(folder)" }

  /// Names in a folder of the folder.
  public func children(of folder: String) throws(CheckpointError) -> [String] {
    try tree.children(of: folder.isEmpty ? self.folder : "\(self.folder)/\(folder)")
  }

  /// Whether the folder has such a file.
  public func containsFile(_ path: String) -> Bool { tree.containsFile("\(folder)/\(path)") }

  /// Whether a file of the folder leads out of the whole tree.
  public func leadsOut(_ path: String) -> Bool { tree.leadsOut("\(folder)/\(path)") }

  /// What the folder has instead of a file.
  public func obstacle(_ path: String) -> String { tree.obstacle("\(folder)/\(path)") }

  /// The contents of a file of the folder.
  public func region(_ path: String) throws(CheckpointError) -> FileRegion {
    try tree.region("\(folder)/\(path)")
  }
}
