import Foundation
import TestSupport
import Testing

/// What `quantize`, `importance` and labels refuse says why, and what to do instead.
@Suite struct QuantizationRefusalTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")

  private func errors(_ arguments: [String]) throws -> String {
    let outcome = try Weighbridge.run(arguments)
    #expect(outcome.code == 2, "\(arguments)")
    return outcome.errors
  }

  @Test func limitsAreForRuns() throws {
    for choice in [["--scheme", "q2_k"], ["--target-size", "150KB"]] {
      for limit in [["--max-kl", "1e-9", "--validate"], ["--max-rmse", "1e-9"]] {
        let found = try errors(
          ["quantize", Self.gptj, workspace.path("o.gguf"), "--dry-run"] + choice + limit)
        #expect(found.contains("--dry-run writes nothing that could exceed them"))
      }
    }
  }

  @Test func targetsSayWhatIsWrong() throws {
    let out = workspace.path("o.gguf")
    #expect(
      try errors(["quantize", Self.gptj, out, "--target-bits", "-1"]).contains("more than 0"))
    #expect(
      try errors(["quantize", Self.gptj, out, "--target-size", "150KB", "--to", "mlx"])
        .contains("--to and the destination's name say different formats"))
    #expect(
      try errors([
        "quantize", Self.gptj, out, "--target-size", "150KB", "--dry-run", "--report", "h.html",
      ]).contains("of a target"))
  }

  @Test func outputsHaveTheNamesOfTheirFormats() throws {
    let text = try workspace.write("t.json", Data("[1, 2, 3]".utf8))
    for (option, name) in [("--output", "x.safetensors"), ("--hessian", "x.gguf")] {
      #expect(
        try errors([
          "importance", Self.gptj, "--tokens-file", text, option, workspace.path(name),
        ]).contains("\(option) writes"))
    }
  }

  @Test func tokensThatAreNoneNameTheirFile() throws {
    let text = try workspace.write("negative.json", Data("[-1, 2]".utf8))
    let found = try errors([
      "importance", Self.gptj, "--tokens-file", text, "--output", workspace.path("i.gguf"),
    ])
    #expect(found.contains("negative.json") && found.contains("-1"))
    let rows = try workspace.write("rows.json", Data("[[1, 2], [3, 4]]".utf8))
    #expect(
      try errors([
        "quantize", Self.gptj, workspace.path("o.gguf"), "--scheme", "q8_0", "--validate",
        "--tokens-file", rows,
      ]).contains("rows.json"))
  }
}
