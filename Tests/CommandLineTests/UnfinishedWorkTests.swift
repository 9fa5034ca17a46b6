import Foundation
import TestSupport
import Testing

/// What lies under the name of unfinished work: only the tool's own is resumed into or removed.
@Suite struct UnfinishedWorkTests {
  private let workspace: Workspace

  init() throws {
    workspace = try Workspace()
    try FileManager.default.copyItem(
      atPath: fixture("huggingface/gpt2"), toPath: workspace.path("in"))
  }

  private func run(_ options: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      ["convert", "in", "out", "--to", "hf"] + options, directory: workspace.path(""))
  }

  /// 100 blocks of 512 or 1024 bytes: not enough for the weights.
  private func interrupt() throws {
    let outcome = try Weighbridge.run(
      ["convert", "in", "out", "--to", "hf"], shell: "ulimit -f 100",
      directory: workspace.path(""))
    #expect(outcome.code == 2)
    try #require(workspace.has(".out.partial/journal"))
  }

  private func expectRefusal(_ found: String) throws {
    let before = try workspace.snapshot(of: "")
    for options in [["--resume"], ["--force"], ["--resume", "--force"]] {
      let outcome = try Weighbridge.run(
        ["convert", "in", "out", "--to", "hf"] + options, directory: workspace.path(""))
      #expect(outcome.code == 2 && outcome.errors.contains(found), "\(outcome.errors)")
      #expect(outcome.errors.contains("hint:"))
      #expect(try workspace.snapshot(of: "") == before)
    }
  }

  @Test func anEmptyJournalVouchesForNothingElse() throws {
    try workspace.folder(".out.partial")
    try workspace.write(".out.partial/journal", Data())
    try workspace.write(".out.partial/thesis.txt", Data("years".utf8))
    try expectRefusal("thesis.txt")
    try workspace.remove(".out.partial/thesis.txt")
    #expect(try run("--force").code == 0)
    #expect(workspace.names() == ["in", "out"])
  }

  @Test func foreignFilesInRealWorkStay() throws {
    try interrupt()
    try workspace.folder(".out.partial/notes")
    try workspace.write(".out.partial/notes/thesis.txt", Data("years".utf8))
    try expectRefusal("notes/thesis.txt")
    try workspace.remove(".out.partial/notes/thesis.txt")
    #expect(try run("--resume").code == 0)
    #expect(try Weighbridge.run("verify", workspace.path("out")).code == 0)
  }

  @Test(arguments: [false, true]) func nothingIsWrittenThroughLinks(isHard: Bool) throws {
    try interrupt()
    try workspace.write("mine", Data("mine".utf8))
    if workspace.has(".out.partial/model.safetensors") {
      try workspace.remove(".out.partial/model.safetensors")
    }
    let (link, target) = (workspace.path(".out.partial/model.safetensors"), workspace.path("mine"))
    if isHard {
      try FileManager.default.linkItem(atPath: target, toPath: link)
    } else {
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
    }
    try expectRefusal("model.safetensors")
    #expect(try workspace.contents("mine") == Data("mine".utf8))
  }

  /// Gives a file a time, to the nanosecond.
  private func restamp(_ path: String) throws {
    #expect(
      try Weighbridge.run(["--version"], shell: "touch -d '2026-01-02 03:04:05' '\(path)'").code
        == 0)
  }

  /// Another file of the same size and time isn't the one that was read.
  @Test func inputsThatWereReplacedAreReadAnew() throws {
    let path = workspace.path("in/model.safetensors")
    try restamp(path)
    try interrupt()
    var bytes = try workspace.contents("in/model.safetensors")
    for place in stride(from: bytes.count - 300_000, to: bytes.count, by: 4) { bytes[place] ^= 1 }
    try workspace.remove("in/model.safetensors")
    try workspace.write("in/model.safetensors", bytes)
    try restamp(path)
    let outcome = try run("--resume")
    #expect(outcome.code == 0 && outcome.errors.contains("[input-replaced]"), "\(outcome.errors)")
    let verified = try Weighbridge.run(
      "verify", workspace.path("out"), "--against", workspace.path("in"))
    #expect(verified.code == 0, "\(verified.text)")
  }

  /// No certificate is left beside a file of somebody else's, which appeared while the work was done.
  @Test func aDestinationThatAppearsStaysAlone() throws {
    try workspace.folder(".out.safetensors.partial")
    let first = try Weighbridge.run(
      ["convert", "in", "out.safetensors"], shell: "ulimit -f 100", directory: workspace.path(""))
    #expect(first.code == 2)
    try workspace.write("out.safetensors", Data("mine".utf8))
    let outcome = try Weighbridge.run(
      ["convert", "in", "out.safetensors", "--resume"], directory: workspace.path(""))
    #expect(outcome.code == 2 && outcome.errors.contains("hint:"), "\(outcome.errors)")
    #expect(try workspace.contents("out.safetensors") == Data("mine".utf8))
    #expect(!workspace.has("out.certificate.json"))
  }
}
