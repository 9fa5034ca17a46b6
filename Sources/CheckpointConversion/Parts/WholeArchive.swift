import CheckpointFormats
public import TensorModel

/// Compressed archives, which every part of some work would have to unpack as a whole.
public enum WholeArchive {
  /// Refuses one, with the command that unpacks it once.
  ///
  /// - Parameter path: of a checkpoint, as the user has named it.
  /// - Throws: `usage`; `inputOutput`.
  public static func refuse(_ path: String) throws(CheckpointError) {
    guard path != "-" else {
      throw CheckpointError(
        .usage, "standard input is read by one process, and parts are done by several",
        hint:
          "unpack the archive into a folder, and name that: mkdir \(folder) && tar -xf - -C \(folder)"
      )
    }
    guard try Source.needsUnpacking(path) else { return }
    let place = try NamedPath(path).place
    throw CheckpointError(
      .usage, "every part would unpack the whole archive", file: path,
      hint:
        "unpack it once, and name the folder: mkdir \(folder) && \(shellCommand("zstd -dc", place)) | tar -xf - -C \(folder)"
    )
  }

  /// What the hints call the folder.
  private static let folder = "step"
}
