import Foundation
import TestSupport
import Testing

/// What the command says about itself.
@Suite struct HelpTests {
  static let subcommands = [
    "inspect", "convert", "quantize", "verify", "checks", "manifest", "compare", "forward",
  ]

  /// `UPDATE_SNAPSHOTS=1 swift test --filter HelpTests` writes the files anew.
  @Test(arguments: [""] + subcommands)
  func helpIsTheSnapshot(subcommand: String) throws {
    let arguments = subcommand.isEmpty ? ["--help"] : [subcommand, "--help"]
    let outcome = try Weighbridge.run(arguments)
    #expect(outcome.code == 0)
    #expect(outcome.errors.isEmpty)
    let name = subcommand.isEmpty ? "weighbridge" : subcommand
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "Snapshots/\(name).txt")
    if ProcessInfo.processInfo.environment["UPDATE_SNAPSHOTS"] == "1" {
      try outcome.output.write(to: file)
    }
    let expected = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    #expect(outcome.text == expected)
  }

  @Test func everySubcommandHasASnapshot() throws {
    let lines = try Weighbridge.run("--help").text.split(
      separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex(of: "SUBCOMMANDS:"))
    let names = lines[(start + 1)...].prefix { !$0.isEmpty }.compactMap { line in
      line.hasPrefix("  ") && !line.hasPrefix("   ") ? line.split(separator: " ").first : nil
    }
    #expect(names.map(String.init) == Self.subcommands)
  }

  @Test(arguments: subcommands) func helpOfASubcommandIsItsHelp(subcommand: String) throws {
    let first = try Weighbridge.run("help", subcommand)
    #expect(first.code == 0)
    #expect(try first.text == Weighbridge.run(subcommand, "--help").text)
  }

  @Test func versionIsOneLine() throws {
    let outcome = try Weighbridge.run("--version")
    #expect(outcome.code == 0)
    #expect(outcome.text.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
    #expect(outcome.errors.isEmpty)
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func generatesCompletions(shell: String) throws {
    let outcome = try Weighbridge.run("--generate-completion-script", shell)
    #expect(outcome.code == 0)
    #expect(outcome.errors.isEmpty)
    for subcommand in Self.subcommands { #expect(outcome.text.contains(subcommand)) }
  }

  @Test func withoutArgumentsShowsHelp() throws {
    let outcome = try Weighbridge.run([])
    #expect((outcome.text + outcome.errors).contains("SUBCOMMANDS:"))
    #expect(outcome.code == 0 || outcome.code == 2)
  }
}
