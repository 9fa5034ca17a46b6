import CheckpointFormats
import FileContainers
public import TensorModel

/// All that lies in a model's folder.
public struct ModelFolder: Sendable {
  /// Something that isn't a regular file.
  public struct Obstacle: Sendable {
    /// Its path in the folder.
    public let name: String
    /// What it is, such as `a named pipe`.
    public let kind: String
  }

  /// The folder's path.
  let path: String
  /// Regular files, and links to such, by their paths in the folder; in the order of their bytes, which is that of code points.
  public let files: [String]
  /// Those of them that are links.
  let links: Set<ExactName>
  /// What is neither a file nor a folder.
  public let obstacles: [Obstacle]

  /// Lists a folder; what Git keeps of its own isn't looked into.
  ///
  /// - Throws: `inputOutput`.
  public init(_ path: String) throws(CheckpointError) {
    self.path = path
    var (files, links, obstacles): ([ExactName], Set<ExactName>, [Obstacle]) = ([], [], [])
    var pending = [""]
    while let folder = pending.popLast() {
      var previous: ExactName?
      for child in try Directories.names(in: folder.isEmpty ? path : "\(path)/\(folder)") {
        let name = folder.isEmpty ? child : "\(folder)/\(child)"
        if name == Self.repository { continue }
        // A name that was repaired can be that of another file.
        defer { previous = ExactName(child) }
        guard previous != ExactName(child) else {
          obstacles.append(Obstacle(name: name, kind: Self.notUTF8))
          continue
        }
        switch FileKind(ofEntry: "\(path)/\(name)") {
        case .directory: pending.append(name)
        case .file: files.append(ExactName(name))
        case .other:
          if FileKind(of: "\(path)/\(name)") == .file {
            files.append(ExactName(name))
            links.insert(ExactName(name))
          } else {
            obstacles.append(Obstacle(name: name, kind: Self.kind("\(path)/\(name)")))
          }
        // Names that aren't UTF-8 are repaired when they are listed, and lead to nothing.
        case nil: obstacles.append(Obstacle(name: name, kind: Self.notUTF8))
        }
      }
    }
    self.files = files.sorted().map(\.text)
    self.links = links
    self.obstacles = obstacles
  }

  /// What git and its hosts keep at the top of a folder, which no list of a model's files has.
  public static let ofGit = [".git", ".gitattributes", ".github", ".gitignore"]

  private static let repository = ".git"
  private static let notUTF8 = "a name that isn't UTF-8"

  private static func kind(_ path: String) -> String {
    let kind = PathObstacle.text(path) ?? "no file"
    return kind == PathObstacle.folder ? "a link to a folder" : kind
  }

  /// Whether a file is one of weights, by its name.
  static func isWeight(_ name: String) -> Bool {
    WeightContents.isNamed(name) || otherWeights.contains(where: name.hasSuffix)
  }

  /// Weights of other frameworks, and archives, which can hold some.
  private static let otherWeights = [
    ".h5", ".hdf5", ".keras", ".msgpack", ".onnx", ".ckpt", ".tflite", ".tar", ".tar.zst",
    ".tar.zstd", ".zip",
  ]

  /// The digests of some files, by all threads.
  ///
  /// - Parameters:
  ///   - names: of files in the folder.
  ///   - known: digests of files that needn't be read.
  ///   - progress: told of bytes as they are read; what it throws ends the work.
  /// - Returns: the digests, in the order of the names.
  /// - Throws: `missing`, `inputOutput`, and what `progress` throws.
  func digests(
    of names: [String], _ known: RecordedFileDigests,
    _ progress: @Sendable (Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) -> [Digest] {
    try FileDigests.map(names.count, progress: progress) {
      (place) throws(CheckpointError) -> FileDigests.Work<Digest> in
      let file = try InputFile(path: "\(path)/\(names[place])")
      return known[file].map { .known($0) } ?? .hash(file)
    } result: { (_, file, digest) throws(CheckpointError) in
      try file.confirm()
      return digest
    }
  }

  /// The digest of a file that nobody writes to.
  static func digest(
    _ path: String, _ progress: (Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) -> Digest {
    let file = try InputFile(path: path)
    let digest = try Digest(ofFile: file, progress: progress)
    try file.confirm()
    return digest
  }

  /// Where a file of a folder is, which may be written with a slash at its end.
  static func path(of name: String, in folder: String) -> String {
    folder.utf8.last == UInt8(ascii: "/") ? "\(folder)\(name)" : "\(folder)/\(name)"
  }

  /// The path in the folder of something named by another path; nil if it doesn't lie there.
  func relativePath(_ other: String) -> String? {
    let (parent, name) = Directories.split(other)
    let (folder, place) = (Directories.resolved(path), Directories.resolved(parent))
    if ExactName(place) == ExactName(folder) { return name }
    let prefix = folder == "/" ? "/" : "\(folder)/"
    guard place.utf8.starts(with: prefix.utf8) else { return nil }
    return "\(Substring(place.utf8.dropFirst(prefix.utf8.count)))/\(name)"
  }
}
