import Foundation
import TestSupport
import Testing

@testable import weighbridge

/// What the command says about itself.
@Suite struct HelpTests {
  static let subcommands = [
    "inspect", "convert", "quantize", "importance", "merge", "status", "verify", "checks",
    "manifest", "sign",
    "compare", "forward",
  ]

  /// `UPDATE_SNAPSHOTS=1 swift test --filter HelpTests` writes the files again.
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

  @Test func theVersionIsTheFirstLine() throws {
    let outcome = try Weighbridge.run("--version")
    #expect(outcome.code == 0)
    #expect(outcome.text.prefixMatch(of: /\d+\.\d+\.\d+\n/) != nil)
    #expect(outcome.errors.isEmpty)
    for library in ["HDF5", "zlib", "zstd", "swift-crypto"] {
      let line = try Regex("(?m)^\(library) \\d+\\.\\d+[.\\d]*$")
      #expect(outcome.text.contains(line), "\(outcome.text)")
    }
    #expect(outcome.text.contains("matrix products: "))
    #expect(try Weighbridge.run("compare", "--version").text == outcome.text)
  }

  /// Versions of packages stand in the source; this is what makes them right.
  @Test func versionsOfPackagesAreThoseThatAreLinked() throws {
    struct Resolved: Decodable {
      let pins: [Pin]
      struct Pin: Decodable {
        let identity: String
        let state: State
      }
      struct State: Decodable { let version: String }
    }
    let file = Fixtures.packageRoot.appending(path: "Package.resolved")
    let resolved = try JSONDecoder().decode(Resolved.self, from: Data(contentsOf: file))
    let pins = resolved.pins.map { "\($0.identity) \($0.state.version)" }
    #expect(VersionText.packages.map { "\($0.0) \($0.1)" } == pins.sorted())
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
