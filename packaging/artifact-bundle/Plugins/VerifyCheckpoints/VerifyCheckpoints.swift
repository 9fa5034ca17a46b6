import Foundation
import PackagePlugin

/// Runs `weighbridge verify` on each path: `swift package verify-checkpoints PATH…`.
@main
struct VerifyCheckpoints: CommandPlugin {
  func performCommand(context: PluginContext, arguments: [String]) async throws {
    let tool = try context.tool(named: "weighbridge")
    for path in arguments {
      let process = try Process.run(tool.url, arguments: ["verify", path])
      process.waitUntilExit()
      if process.terminationStatus != 0 {
        Diagnostics.error("\(path) doesn't pass: exit code \(process.terminationStatus)")
      }
    }
  }
}
