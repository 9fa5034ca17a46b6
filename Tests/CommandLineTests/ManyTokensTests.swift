import Foundation
import TestSupport
import Testing

/// `forward` on more rows, and longer ones, than anybody reads.
@Suite struct ManyTokensTests {
  private let workspace: Workspace

  init() throws { workspace = try Workspace() }

  private func tokens(_ rows: [[Int]]) throws -> String {
    try workspace.write("tokens.json", try JSONSerialization.data(withJSONObject: rows))
  }

  private func forward(_ model: String, _ more: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(["forward", fixture("huggingface/\(model)"), "--json"] + more)
  }

  @Test func rowsGoThroughInBatches() throws {
    let rows = (0..<5000).map { [$0 % 300] }
    let outcome = try forward("gptj", "--tokens-file", tokens(rows), "--top", "1", "--quiet")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let top = try #require(try outcome.object["top"] as? [[[String: Any]]])
    #expect(top.count == rows.count)
    let first = try forward("gptj", "--tokens", "0", "--top", "1", "--quiet")
    let alone = try #require(try first.object["top"] as? [[[String: Any]]])
    for place in [0, 300, 4800] {
      #expect(top[place][0]["token"] as? Int == alone[0][0]["token"] as? Int)
    }
  }

  @Test func aRowThatNeedsTooMuchSaysWhatFits() throws {
    let row = (0..<20_000).map { $0 % 300 }
    let outcome = try forward("llama", "--tokens-file", tokens([row]), "--memory", "16MB")
    #expect(outcome.code == 2)
    #expect(
      outcome.errors.contains("more memory than there is")
        && outcome.errors.contains("found 20000") && outcome.errors.contains("hint: run shorter"),
      "\(outcome.errors)")
  }

  @Test func aRowBeyondThePositionsIsSaid() throws {
    let warning = "a row has 80 tokens, and the model was made for 64 positions"
    let row = (0..<80).map { $0 % 300 }
    let outcome = try forward("llama", "--tokens-file", tokens([row, [1]]))
    #expect(outcome.code == 0 && outcome.errors.contains(warning), "\(outcome.errors)")
    let short = try forward("llama", "--tokens-file", tokens([Array(row.prefix(64))]))
    #expect(!short.errors.contains("positions"))
  }

  /// The first few of a kind are printed, and how many more there are.
  @Test func manyFindingsAreCounted() throws {
    let folder = try ModelSample("gptj").write(workspace, "model")
    let names = (0..<40).map { ("stranger.\($0)", "model.safetensors") }
    let index = ["weight_map": Dictionary(uniqueKeysWithValues: names)]
    try workspace.write(
      "model/model.safetensors.index.json", try JSONSerialization.data(withJSONObject: index))
    let outcome = try Weighbridge.run("forward", folder, "--tokens", "1,2,3", "--json")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let lines = outcome.errors.split(separator: "\n").filter {
      $0.contains("stranger") || $0.contains("[index-missing-tensor]")
    }
    #expect(lines.count == 6 && lines.last?.contains("and 35 more") == true, "\(outcome.errors)")
  }
}
