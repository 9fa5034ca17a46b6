// What several machines do in one folder of a shared file system, without locks: mkdir, exclusive creation and rename are atomic on the server. An error
// of rename is believed only after a look, as one that was sent again may answer that nothing is there although it was done.

public import TensorModel

/// Changes in a folder that others change, too.
public enum SharedFolder {
  /// A name that no two processes choose, on whatever machines they run: sixteen hexadecimal digits.
  public static func uniqueName() -> String {
    let text = String(UInt64.random(in: 0...UInt64.max), radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  /// Renames, and looks what came of it whatever the system says.
  ///
  /// - Parameters:
  ///   - path: of a file or folder.
  ///   - target: must be free.
  /// - Returns: whether what had the first name has the second; false if somebody else was faster.
  /// - Throws: `inputOutput` if nothing has happened.
  public static func move(_ path: String, to target: String) throws(CheckpointError) -> Bool {
    do throws(CheckpointError) {
      try Directories.rename(path, to: target)
      return true
    } catch {
      if fileExists(path) {
        if fileExists(target) { return false }
        throw error
      }
      return fileExists(target)
    }
  }

  /// Makes a directory that another process may be making, too.
  ///
  /// - Throws: `inputOutput`, `missing` or `noSpace`.
  public static func makeDirectory(_ path: String) throws(CheckpointError) {
    if FileKind(ofEntry: path) == .directory { return }
    do throws(CheckpointError) { try Directories.create(path) } catch {
      guard FileKind(ofEntry: path) == .directory else { throw error }
    }
  }

  /// Writes a file that is whole when it is there; where another process was faster, its file stays.
  ///
  /// - Parameters:
  ///   - name: of the file.
  ///   - folder: where it goes.
  ///   - contents: of the file.
  /// - Throws: `noSpace`, `inputOutput`.
  public static func writeOnce(
    _ name: String, in folder: String, _ contents: [UInt8]
  ) throws(CheckpointError) {
    let temporary = "\(folder)/.\(name).\(uniqueName())"
    try OutputFile.create(temporary, contents: contents)
    do throws(CheckpointError) {
      if try !move(temporary, to: "\(folder)/\(name)") { try Directories.removeTree(temporary) }
    } catch {
      try? Directories.removeTree(temporary)
      throw error
    }
  }
}
