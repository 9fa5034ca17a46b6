import FileContainers
import TensorModel

/// The files of a checkpoint that lists of digests have: all but the lists themselves and what git keeps.
struct ListedFiles {
  /// Names relative to `folder`, sorted by their bytes.
  let names: [String]
  /// The checkpoint's directory, or the one that its file lies in.
  let folder: String

  private static let git: Set = [".git", ".gitattributes", ".github", ".gitignore"]

  /// Lists a checkpoint's files.
  ///
  /// - Throws: `inputOutput`.
  init(of place: String) throws(CheckpointError) {
    guard FileKind(of: place) == .directory else {
      let (parent, name) = Directories.split(place)
      folder = parent
      names = [name]
      return
    }
    folder = place
    names = try Directories.files(in: place).map { String($0.dropFirst(place.utf8.count + 1)) }
      .filter { name in
        let top = name.split(separator: "/", maxSplits: 1).first.map(String.init) ?? name
        return !Self.git.contains(top) && name != CheckpointManifest.fileName
          && name != CheckpointManifest.sumsName && FileKind(of: "\(place)/\(name)") == .file
      }.sorted { ExactName($0) < ExactName($1) }
  }

  /// Where a file lies.
  func path(_ name: String) -> String { "\(folder)/\(name)" }
}
