import FileContainers
import ModelSigning
import TensorModel

/// The files of a checkpoint that lists of digests have: all but the lists themselves and what git keeps.
struct ListedFiles {
  /// Names relative to `folder`, sorted by their bytes.
  let names: [String]
  /// What no list can have: pipes, links to folders, names that aren't UTF-8.
  let obstacles: [ModelFolder.Obstacle]
  /// The checkpoint's directory, or the one that its file lies in.
  let folder: String

  private static let lists = [CheckpointManifest.fileName, CheckpointManifest.sumsName]

  /// Lists a checkpoint's files.
  ///
  /// - Throws: `inputOutput`.
  init(of place: String) throws(CheckpointError) {
    guard FileKind(of: place) == .directory else {
      let (parent, name) = Directories.split(place)
      (folder, names, obstacles) = (parent, [name], [])
      return
    }
    let model = try ModelFolder(place)
    folder = place
    names = model.files.filter { !Self.lists.contains($0) && !Self.isOfGit($0) }
    obstacles = model.obstacles.filter { !Self.isOfGit($0.name) }
  }

  private static func isOfGit(_ name: String) -> Bool {
    let top = name.utf8.prefix { $0 != UInt8(ascii: "/") }
    return ModelFolder.ofGit.contains { $0.utf8.elementsEqual(top) }
  }

  /// Where they lie, in the order of `names`.
  var paths: [String] { names.map(path) }

  /// Where a file lies.
  func path(_ name: String) -> String { "\(folder)/\(name)" }
}
