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
}
