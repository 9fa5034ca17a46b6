import FileContainers
public import TensorModel

/// What holds for every archive that opens.
public enum ArchiveCheck {
  /// Opens an archive and visits everything in it.
  ///
  /// - Parameter input: the archive, a plain tar or a compressed one.
  /// - Returns: paths and sizes of its files.
  /// - Throws: what opening throws.
  @discardableResult
  public static func members(
    of input: InputInMemory
  ) throws(CheckpointError) -> [ExactName: Int] {
    let spool = "\(InputInMemory.temporaryDirectory)/weighbridge-fuzz-\(ProcessNumber.own)"
    defer { try? Directories.removeTree(spool) }
    let (tree, findings) = try openArchive(
      .file(InputFile(path: input.path)), displayName: "x.tar", spoolPath: spool)
    for finding in findings { expect(!finding.message.isEmpty) }
    var members: [ExactName: Int] = [:]
    var folders = [""]
    while let folder = folders.popLast() {
      for name in tree.children(of: folder) {
        expect(!name.isEmpty && name != "." && name != ".." && !name.utf8.contains(0))
        let path = folder.isEmpty ? name : "\(folder)/\(name)"
        if tree.containsFile(path) {
          let region = try tree.region(path)
          members[ExactName(path)] = region.byteCount
          _ = try region.head(512)
        } else {
          folders.append(path)
        }
      }
    }
    return members
  }
}
