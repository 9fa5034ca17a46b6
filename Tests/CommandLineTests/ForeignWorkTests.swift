import FileContainers
import Foundation
import TestSupport
import Testing

/// What lies where work in parts, or on an importance matrix, would go, and isn't that: it stays, whatever options there are.
@Suite struct ForeignWorkTests {
  private let workspace: Workspace
  private let llama = fixture("huggingface/llama")
  init() throws { workspace = try Workspace() }

  private func importance(_ options: [String]) throws -> Weighbridge.Outcome {
    try workspace.write("tokens.json", Data("[1, 2, 3, 4]".utf8))
    return try Weighbridge.run(
      [
        "importance", llama, "--tokens-file", workspace.path("tokens.json"), "--output",
        workspace.path("m.gguf"),
      ] + options)
  }

  private func part(_ options: [String] = []) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      ["convert", llama, workspace.path("out"), "--to", "safetensors", "--part", "1/1"] + options)
  }

  private func expectRefusal(_ outcome: Weighbridge.Outcome, _ found: String) {
    #expect(outcome.code == 2, "\(outcome.errors)")
    #expect(outcome.errors.contains(found) && outcome.errors.contains("hint:"))
  }

  @Test(arguments: [[], ["--force"], ["--resume"]])
  func aFolderIsNoUnfinishedMatrix(options: [String]) throws {
    try workspace.write(".m.gguf.partial/mine.txt", Data("years".utf8))
    expectRefusal(try importance(options), ".m.gguf.partial")
    #expect(workspace.has(".m.gguf.partial/mine.txt") && !workspace.has("m.gguf"))
  }

  @Test(arguments: [[], ["--force"], ["--resume"]])
  func anotherMatrixIsNoUnfinishedOne(options: [String]) throws {
    #expect(try importance([]).code == 0)
    try FileManager.default.moveItem(
      atPath: workspace.path("m.gguf"), toPath: workspace.path(".m.gguf.partial"))
    let before = try workspace.contents(".m.gguf.partial")
    expectRefusal(try importance(options), ".m.gguf.partial")
    #expect(try workspace.contents(".m.gguf.partial") == before)
  }

  @Test func aMatrixReplacesNoModel() throws {
    let model = try Data(Fixtures.bytes("gguf/gpt2.F16.gguf"))
    try workspace.write("m.gguf", model)
    expectRefusal(try importance(["--force"]), "no importance matrix")
    #expect(try workspace.contents("m.gguf") == model)
  }

  @Test(arguments: ["", "parts/", "merging-0/"])
  func partsAreNotPutBesideOtherFiles(folder: String) throws {
    let stranger = ".out.partial/\(folder)mine.txt"
    try workspace.write(stranger, Data("years".utf8))
    for options in [[], ["--force"], ["--resume"]] {
      expectRefusal(try part(options), "mine.txt")
      #expect(
        workspace.names(in: ".out.partial") == [
          folder.isEmpty ? "mine.txt" : String(folder.dropLast())
        ])
    }
    #expect(workspace.has(stranger))
  }

  @Test func aMergeRemovesNothingButParts() throws {
    #expect(try part().code == 0)
    try workspace.write(".out.partial/thesis/mine.txt", Data("years".utf8))
    expectRefusal(try Weighbridge.run("merge", workspace.path("out")), "thesis")
    #expect(workspace.has(".out.partial/thesis/mine.txt") && !workspace.has("out"))
    try workspace.remove(".out.partial/thesis")
    #expect(try Weighbridge.run("merge", workspace.path("out")).code == 0)
    #expect(!workspace.has(".out.partial"))
  }

  @Test func aMergeSaysWhatItReplaces() throws {
    for _ in 0..<2 {
      #expect(try part(["--force"]).code == 0)
      let outcome = try Weighbridge.run("merge", workspace.path("out"), "--force")
      #expect(outcome.code == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("replaces     what is there: ") == workspace.has("kept"))
      try workspace.write("kept", Data())
    }
  }
}
