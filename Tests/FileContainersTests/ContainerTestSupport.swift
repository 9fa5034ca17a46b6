import FileContainers
import TensorModel
import TestSupport
import Testing

/// A folder for one test, removed with it.
final class Scratch {
  private let workspace: Workspace
  private var count = 0

  init() throws { workspace = try Workspace() }

  var path: String { workspace.path }

  /// A path in it that nothing has yet.
  func freshPath(_ suffix: String = "") -> String {
    count += 1
    return "\(path)/\(count)\(suffix)"
  }

  /// A file with these contents.
  func file(_ contents: [UInt8], _ suffix: String = "") throws -> InputFile {
    let path = freshPath(suffix)
    try OutputFile(creating: path, byteCount: 0).write(at: 0, contents)
    return try InputFile(path: path)
  }

  /// All of a file with these contents.
  func region(_ contents: [UInt8]) throws -> FileRegion { try file(contents).region }
}

/// All bytes of something.
func allBytes(_ contents: some RandomAccessBytes) throws -> [UInt8] {
  try contents.bytes(at: 0, count: contents.byteCount)
}
