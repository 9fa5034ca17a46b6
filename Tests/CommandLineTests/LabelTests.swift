import Foundation
import TestSupport
import Testing

/// `compare --labels`: whether two models choose the same.
@Suite struct LabelTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")

  /// Prompts of which every other one has a right label.
  private func labels(_ count: Int = 12, _ more: String = "") throws -> String {
    let words = ["weights", "model", "layer", "token"]
    let lines = (0..<count).map { number -> String in
      let gold = number % 2 == 0 ? #", "gold": \#(number / 2 % 2)"# : ""
      return
        #"{"prompt": "A \#(words[number % 4]) of \#(number)", "labels": [" a", " b", " c", " d", " or more"]\#(gold)}"#
    }
    let path = workspace.path("labels.jsonl")
    try Data((lines.joined(separator: "\n") + "\n\n" + more).utf8).write(to: URL(filePath: path))
    return path
  }

  /// The model with few bits.
  private func quantized() throws -> String {
    let path = workspace.path("small")
    let outcome = try Weighbridge.run("quantize", Self.gptj, path, "--scheme", "mlx-q2-g64")
    try #require(outcome.code == 0, "\(outcome.errors)")
    return path
  }

  @Test func aModelAgreesWithItself() throws {
    let outcome = try Weighbridge.run(
      "compare", Self.gptj, Self.gptj, "--labels", labels(), "--json", "--min-agreement", "1")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let found = try #require(try outcome.object["labels"] as? [String: Any])
    #expect(found["prompt_count"] as? Int == 12 && found["gold_count"] as? Int == 6)
    for way in ["by_sum", "by_byte"] {
      let choices = try #require(found[way] as? [String: Any])
      #expect(choices["agreement"] as? Double == 1)
      #expect((choices["flips"] as? [Any])?.isEmpty == true)
      let gold = try #require(choices["gold"] as? [String: Any])
      #expect(gold["mcnemar_p"] as? Double == 1)
      let accuracies = try #require(gold["accuracies"] as? [Double])
      #expect(accuracies[0] == accuracies[1])
    }
    let prompts = try #require(found["prompts"] as? [[String: Any]])
    #expect(prompts.count == 12 && prompts[3]["line"] as? Int == 4)
    for prompt in prompts {
      let scores = try #require(prompt["first"] as? [Double])
      #expect(scores.count == 5 && scores.allSatisfy { $0 < 0 })
      #expect(prompt["second"] as? [Double] == scores)
    }
  }

  @Test func flipsAreToldAndLimited() throws {
    let (small, file) = (try quantized(), try labels(40))
    let outcome = try Weighbridge.run(
      "compare", Self.gptj, small, "--labels", file, "--json", "--max-flips", "0")
    let found = try #require(try outcome.object["labels"] as? [String: Any])
    let choices = try #require(found["by_sum"] as? [String: Any])
    let flips = try #require(choices["flips"] as? [[String: Any]])
    #expect(choices["agreement"] as? Double == Double(40 - flips.count) / 40)
    #expect(outcome.code == (flips.isEmpty ? 0 : 1))
    try #require(!flips.isEmpty, "two bits change nothing")
    #expect(outcome.errors.contains("--max-flips"))
    let margins = flips.map { flip in
      min(flip["first_margin"] as? Double ?? -1, flip["second_margin"] as? Double ?? -1)
    }
    #expect(margins == margins.sorted(by: >) && margins.allSatisfy { $0 > 0 })
    let page = workspace.path("c.html")
    let fine = try Weighbridge.run(
      "compare", Self.gptj, small, "--labels", file, "--max-flips", "40", "--report", page)
    #expect(fine.code == 0)
    #expect(fine.text.contains("McNemar's exact p"))
    let html = String(decoding: try workspace.contents("c.html"), as: UTF8.self)
    #expect(html.contains("<section id=\"labels\">"))
  }

  @Test(
    arguments: [
      #"{"prompt": "a", "labels": ["b"]}"#, #"{"prompt": "a", "labels": ["b", "b"]}"#,
      #"{"prompt": "", "labels": ["b", "c"]}"#, #"{"labels": ["b", "c"]}"#, "[]", "{",
      #"{"prompt": "a", "labels": ["b", "c"], "gold": "d"}"#,
      #"{"prompt": "a", "labels": ["b", "c"], "gold": 2}"#,
      #"{"prompt": "a", "labels": ["b", "c"], "prefix": "x"}"#,
      #"{"prompt": "a", "labels": ["b", "c"], "label": "c"}"#,
      #"{"prompt": "a", "labels": ["b", 1]}"#,
    ])
  func brokenLinesAreNamed(_ line: String) throws {
    let outcome = try Weighbridge.run(
      "compare", Self.gptj, Self.gptj, "--labels", labels(1, line))
    #expect(outcome.code == 2 && outcome.errors.contains("line 3"), "\(outcome.errors)")
  }

  @Test func limitsNeedLabels() throws {
    for options in [["--max-flips", "1"], ["--min-agreement", "1"]] {
      #expect(try Weighbridge.run(["compare", Self.gptj, Self.gptj] + options).code == 2)
    }
  }
}
