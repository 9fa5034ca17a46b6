public import Foundation

/// Where the test data lies.
public enum Fixtures {
  /// The package's root.
  public static let packageRoot = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// A path below `fixtures`.
  public static func path(_ relative: String) -> String {
    packageRoot.appending(path: "fixtures").appending(path: relative).path
  }

  /// Names in a folder below `fixtures`, sorted.
  public static func names(in relative: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path(relative))) ?? []).sorted()
  }

  /// The contents of a file below `fixtures`.
  public static func bytes(_ relative: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: path(relative))))
  }

  /// A file and what must become of it.
  public struct Case: CustomStringConvertible, Sendable {
    /// The path below `fixtures`.
    public let name: String
    /// `accept`, `warn` or `reject`.
    public let verdict: String
    /// Why.
    public let reason: String
    /// Where the file is.
    public var path: String { Fixtures.path(name) }
    /// For the test's report.
    public var description: String { "\(name): \(verdict), \(reason)" }
  }

  /// What `expected.json` in a folder says about the files beside it.
  public static func cases(_ folder: String) -> [Case] {
    struct Entry: Decodable {
      let verdict: String
      let why: String
    }
    guard let data = FileManager.default.contents(atPath: path("\(folder)/expected.json")),
      let entries = try? JSONDecoder().decode([String: Entry].self, from: data)
    else { return [] }
    return entries.sorted { $0.key < $1.key }.map {
      Case(name: "\(folder)/\($0.key)", verdict: $0.value.verdict, reason: $0.value.why)
    }
  }
}

/// A directory that exists during a test.
public struct TemporaryDirectory: ~Copyable {
  /// Its path.
  public let path: String

  /// Creates it.
  public init() throws {
    let url = FileManager.default.temporaryDirectory.appending(
      path: "weighbridge-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file in it, with the folders that it lies in, and returns its path.
  @discardableResult
  public func write(_ relative: String, _ contents: [UInt8]) throws -> String {
    let url = URL(filePath: path).appending(path: relative)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(contents).write(to: url)
    return url.path
  }
}
