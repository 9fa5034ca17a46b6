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

  /// Scores of both models against transformers', by `fixtures/comparison/labels/make.py`.
  @Test func scoresAreThoseOfTransformersWithPrefixesToo() throws {
    let prefixed = try ModelSample.withPrefix().write(workspace, "prefixed")
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try workspace.write("prefixed/\(name)", Data(Fixtures.bytes("huggingface/gptj/\(name)")))
    }
    let outcome = try Weighbridge.run(
      "compare", Self.gptj, prefixed, "--labels", fixture("comparison/labels/labels.jsonl"),
      "--json", "--max-flips", "100")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let found = try #require(try outcome.object["labels"] as? [String: Any])
    let prompts = try #require(found["prompts"] as? [[String: Any]])
    let expected = try #require(
      JSONSerialization.jsonObject(
        with: Data(Fixtures.bytes("comparison/labels/expected.json"))) as? [[String: Any]])
    #expect(prompts.count == expected.count && expected.count > 5)
    var differing = 0
    for (prompt, right) in zip(prompts, expected) {
      let pairs = [("first", "causal"), ("second", "prefix")]
      for (key, other) in pairs {
        let (scores, golden) = (
          try #require(prompt[key] as? [Double]), try #require(right[other] as? [Double])
        )
        #expect(scores.count == golden.count)
        // Logits of F32 differ by 1e-5 or so, in labels of up to a dozen tokens.
        for (one, two) in zip(scores, golden) {
          #expect(abs(one - two) < 5e-4, "line \(prompt["line"] ?? 0) \(key): \(one) and \(two)")
        }
      }
      if prompt["first"] as? [Double] != prompt["second"] as? [Double] { differing += 1 }
    }
    // Where the record has no prefix, or one that both obey, is told apart.
    #expect(differing >= 3 && differing < expected.count)
  }

  /// What may be in a file, and what is said of it; nothing of it takes long or much memory.
  @Test(
    arguments: [
      ("huge line", "line 1"), ("many labels", "line 1"), ("many prompts", "too many prompts"),
      ("blank lines", "no prompts"), ("broken text", "line 1"), ("half a pair", "line 1"),
      ("zeros", "line 1"), ("deep", "line 1"),
    ])
  func hostileFilesAreRefused(_ kind: String, _ said: String) throws {
    let pair = #""labels": ["b", "c"]}"#
    let bytes: Data =
      switch kind {
      case "huge line":
        Data((#"{"prompt": ""# + String(repeating: "a", count: 5 << 20) + "\", " + pair).utf8)
      case "many labels":
        Data(
          (#"{"prompt": "a", "labels": ["#
            + (0..<400_000).map { "\"\($0)\"" }.joined(separator: ",") + "]}").utf8)
      case "many prompts":
        Data(String(repeating: #"{"prompt":"a","labels":["b","c"]}"# + "\n", count: 100_001).utf8)
      case "blank lines": Data(repeating: 10, count: 1 << 20)
      case "broken text":
        Data(#"{"prompt": ""#.utf8) + Data([0xff, 0xfe]) + Data("\", \(pair)".utf8)
      case "half a pair": Data((#"{"prompt": "\ud800", "# + pair).utf8)
      case "zeros": Data(repeating: 0, count: 1000)
      default: Data((#"{"prompt": "# + String(repeating: "[", count: 100_000)).utf8)
      }
    let path = try workspace.write("hostile.jsonl", bytes)
    let outcome = try Weighbridge.run("compare", Self.gptj, Self.gptj, "--labels", path)
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains(said) && outcome.errors.utf8.count < 2000, "\(outcome.errors)")
  }

  @Test func modelsWithoutNumbersAreNamed() throws {
    var sample = try ModelSample("gptj")
    sample.edit("transformer.h.1.mlp.fc_in.weight") { $0[7] = .nan }
    let broken = try sample.write(workspace, "broken")
    let outcome = try Weighbridge.run(
      "compare", Self.gptj, broken, "--labels", labels(), "--quiet")
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("line 1") && outcome.errors.contains("NaN"))
  }

  @Test func limitsNeedLabels() throws {
    for options in [["--max-flips", "1"], ["--min-agreement", "1"]] {
      #expect(try Weighbridge.run(["compare", Self.gptj, Self.gptj] + options).code == 2)
    }
  }
}
