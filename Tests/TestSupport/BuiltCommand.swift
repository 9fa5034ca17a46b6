public import Foundation

/// The built command.
public enum BuiltCommand {
  /// Where it is: beside the test bundle, else where the package builds to.
  public static let executable: URL = {
    var folders = [URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()]
    folders += Bundle.allBundles.map { $0.bundleURL.deletingLastPathComponent() }
    folders.append(Fixtures.packageRoot.appending(path: ".build/debug"))
    let candidates = folders.map { $0.appending(path: "weighbridge") }
    return candidates.first { FileManager.default.isExecutableFile(atPath: $0.path) }
      ?? candidates[candidates.count - 1]
  }()
}
