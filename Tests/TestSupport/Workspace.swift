public import Foundation

/// A folder for one test, removed with it; in memory where Linux has room for that, because conversions sync every file.
public final class Workspace: Sendable {
  /// Its path.
  public let path: String

  /// Creates it.
  public init() throws {
    let memory = URL(filePath: "/dev/shm")
    let space = try? FileManager.default.attributesOfFileSystem(forPath: memory.path)
    let free = (space?[.systemFreeSize] as? NSNumber)?.intValue ?? 0
    let parent =
      free > 1_000_000_000 && FileManager.default.isWritableFile(atPath: memory.path)
      ? memory : FileManager.default.temporaryDirectory
    let url = parent.appending(path: "weighbridge-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of something in it.
  public func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file with the folders it lies in, replacing what was there, and returns its path.
  @discardableResult
  public func write(_ name: String, _ contents: Data) throws -> String {
    if name.contains("/") {
      let folder = URL(filePath: path(name)).deletingLastPathComponent()
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    try contents.write(to: URL(filePath: path(name)))
    return path(name)
  }

  /// Creates a folder and returns its path.
  @discardableResult
  public func folder(_ name: String) throws -> String {
    try FileManager.default.createDirectory(
      atPath: path(name), withIntermediateDirectories: true)
    return path(name)
  }

  /// The contents of a file in it.
  public func contents(_ name: String) throws -> Data {
    try Data(contentsOf: URL(filePath: path(name)))
  }

  /// Whether there is anything of that name.
  public func has(_ name: String) -> Bool {
    (try? FileManager.default.attributesOfItem(atPath: path(name))) != nil
  }

  /// Names in a folder of it, hidden ones too, sorted.
  public func names(in folder: String = "") -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path(folder))) ?? []).sorted()
  }

  /// Copies something from elsewhere, or from another place in it, and returns the copy's path.
  @discardableResult
  public func copy(_ source: String, to name: String) throws -> String {
    try FileManager.default.copyItem(atPath: source, toPath: path(name))
    return path(name)
  }

  /// Moves something within it.
  public func move(_ name: String, to target: String) throws {
    try FileManager.default.moveItem(atPath: path(name), toPath: path(target))
  }

  /// Removes something of it.
  public func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: path(name))
  }

  /// Changes the contents of a file in it.
  public func edit(_ name: String, _ change: (inout Data) throws -> Void) throws {
    var data = try contents(name)
    try change(&data)
    try write(name, data)
  }

  /// Contents of all files in a folder, by their paths in it.
  public func snapshot(of folder: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path(folder)) {
      let file = "\(path(folder))/\(name)"
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory) else {
        continue
      }
      files[name] = isDirectory.boolValue ? Data() : try Data(contentsOf: URL(filePath: file))
    }
    return files
  }
}
