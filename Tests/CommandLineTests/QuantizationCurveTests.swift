import Foundation
import Quantization
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion
@testable import weighbridge

/// What a quantization's reports say beside its own figures: error against size, tensors to raise, and labels.
@Suite struct QuantizationCurveTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")

  private func run(_ arguments: String...) throws -> [String: Any] {
    let outcome = try Weighbridge.run(
      ["quantize", Self.gptj, workspace.path("q.gguf"), "--json", "--force"] + arguments)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return try outcome.object
  }

  private func points(_ document: [String: Any], _ role: String) throws -> [[String: Any]] {
    let curve = try #require(document["curve"] as? [String: Any])
    return try #require(curve["points"] as? [[String: Any]]).filter {
      $0["role"] as? String == role
    }
  }

  private func page() throws -> PageElements {
    let bytes = [UInt8](try workspace.contents("q.html"))
    try requireWellMade(bytes)
    return try PageElements(bytes)
  }

  @Test func aSchemeAloneHasNoCurve() throws {
    let document = try run("--scheme", "q4_0", "--report", workspace.path("q.html"))
    #expect(document["curve"] == nil)
    let page = try page()
    #expect(page.ids.contains("curve") && page.ids.contains("raise"))
    #expect(
      page.text.contains("This scheme alone was measured") && !page.names.contains("polyline"))
  }

  /// The figures of other schemes are those that runs of them have.
  @Test func measuringTakesTheContainersSchemesIn() throws {
    let document = try run(
      "--scheme", "q4_0", "--measure", "--validate", "--report", workspace.path("q.html"))
    let schemes = try points(document, "scheme")
    #expect(schemes.count > 10 && !schemes.contains { $0["scheme"] as? String == "q4_0" })
    #expect(try points(document, "preset").isEmpty)
    let own = try #require(try points(document, "result").first)
    #expect(own["byte_count"] as? Int == document["byte_count"] as? Int)
    let divergence = try #require(document["kl_divergence"] as? [String: Double])
    #expect(own["kl_divergence"] as? Double == divergence["mean"])
    let other = try run("--scheme", "q8_0", "--validate")
    let point = try #require(schemes.first { $0["scheme"] as? String == "q8_0" })
    #expect(point["byte_count"] as? Int == other["byte_count"] as? Int)
    #expect(
      point["kl_divergence"] as? Double == (other["kl_divergence"] as? [String: Double])?["mean"])
    let page = try page()
    #expect(page.names.count { $0 == "polyline" } == 4)
    #expect(page.names.count { $0 == "circle" } > 2)
    #expect(page.text.contains("KL divergence against size"))
    #expect(page.text.contains("This quantization is its scheme’s preset."))
  }

  @Test func thePresetStandsBesideWhatDiffersFromIt() throws {
    let document = try run("--scheme", "q4_0", "--measure", "--quality", "best")
    let (own, preset) = (
      try #require(try points(document, "result").first),
      try #require(try points(document, "preset").first)
    )
    let errors = [own, preset].compactMap { $0["relative_rmse"] as? Double }
    #expect(errors.count == 2 && errors[0] < errors[1])
    #expect(own["byte_count"] as? Int == preset["byte_count"] as? Int)
  }

  @Test func aTargetHasTheSweep() throws {
    let document = try run(
      "--target-bits", "6", "--report", workspace.path("q.html"), "--validate")
    let choices = try points(document, "choice")
    let errors = choices.compactMap { $0["relative_rmse"] as? Double }
    let sizes = choices.compactMap { $0["byte_count"] as? Int }
    #expect(choices.count > 10 && sizes == sizes.sorted())
    #expect(zip(errors, errors.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(try points(document, "scheme").count > 10)
    let target = try #require(document["target"] as? [String: Any])
    let (measured, preset) = (
      try #require(target["measured"] as? [String: Any]),
      try #require(target["preset"] as? [String: Any])
    )
    for (role, figures) in [("result", measured), ("preset", preset)] {
      let point = try #require(try points(document, role).first)
      #expect(point["byte_count"] as? Int == figures["byte_count"] as? Int)
      #expect(point["relative_rmse"] as? Double == figures["relative_rmse"] as? Double)
    }
    // All that is raised was measured: what it comes to is known.
    let raises = try #require(document["raises"] as? [[String: Any]])
    #expect(!raises.isEmpty && raises.allSatisfy { $0["basis"] as? String == "measured" })
    #expect(try page().text.contains("Only this quantization was run"))
  }

  /// What is promised of a tensor that was measured is what comes of its option.
  @Test func optionsDoWhatTheySay() throws {
    let document = try run("--scheme", "q4_0", "--measure")
    let raises = try #require(document["raises"] as? [[String: Any]])
    let raise = try #require(raises.first { $0["basis"] as? String == "measured" })
    let option = try #require(raise["option"] as? String)
    let argument = option.dropFirst("--tensor-type ".count).filter { $0 != "'" }
    let raised = try run("--scheme", "q4_0", "--tensor-type", String(argument))
    let added = try #require(raise["added_byte_count"] as? Int)
    let bytes = try [document, raised].map { try #require($0["byte_count"] as? Int) }
    #expect(bytes[1] - bytes[0] == added)
    let name = try #require((raise["tensors"] as? [String])?.first)
    let tensors = try #require(raised["tensors"] as? [[String: Any]])
    let tensor = try #require(tensors.first { $0["name"] as? String == name })
    #expect(tensor["dtype"] as? String == raise["raised"] as? String)
    #expect(tensor["relative_rmse"] as? Double == raise["raised_relative_rmse"] as? Double)
  }

  @Test func raisesAreTheBestBuys() throws {
    let errors = ["blk.3.attn_k.weight": 0.3, "blk.11.attn_k.weight": 0.2]
    let report = try ReportSample.report(layers: 20, errors: errors)
    let raises = report.raises
    #expect(raises.count == ErrorBudget.raiseCount)
    #expect(raises.prefix(2).map(\.tensors) == [["blk.3.attn_k.weight"], ["blk.11.attn_k.weight"]])
    #expect(zip(raises, raises.dropFirst()).allSatisfy { $0.gain >= $1.gain })
    let first = try #require(raises.first)
    // Q4_K to Q5_K by the rule: half for each bit, in a bit more of each of 512 · 256 weights.
    #expect(first.raised == .dtype(.q5K) && first.basis == .rule)
    #expect(first.addedByteCount == 512 * 256 / 8)
    #expect(abs(first.raisedRelativeRmse - 0.15) < 1e-9)
    #expect(first.option == #"--tensor-type '^blk\.3\.attn_k\.weight$=q5_k'"#)
    let budget = try #require(ErrorBudget(report))
    let n = Double(512 * 256)
    let after =
      ((budget.squaredError - n * (0.3 * 0.3 - 0.15 * 0.15)) / Double(budget.weightCount))
      .squareRoot()
    #expect(abs(first.reduction - (budget.error - after)) < 1e-6)
    let table = try #require(RaiseTable(report))
    #expect(table.options.contains("|") && table.rows.count == 10)
    #expect(try ReportSample.report(layers: 2, isQuantized: false).raises.isEmpty)
  }

  /// vLLM doesn't load queries, keys and values of several types.
  @Test func whatIsOneLayerIsRaisedTogether() throws {
    let outcome = try Weighbridge.run(
      "quantize", fixture("huggingface/llama"), workspace.path("ct"), "--scheme", "w4a16-g32",
      "--json")
    let raises = try #require(try outcome.object["raises"] as? [[String: Any]])
    let names = raises.compactMap { $0["tensors"] as? [String] }
    #expect(!names.isEmpty)
    for names in names where names.contains(where: { $0.contains("q_proj") }) {
      #expect(names.count == 3)
    }
    #expect(names.contains { $0.count == 3 })
  }

  private func labels() throws -> String {
    let lines = (0..<6).map { place in
      #"{"prompt": "prompt number \#(place):", "labels": [" yes", " no", " maybe"], "gold": "\#(["yes", "no"][place % 2] == "yes" ? " yes" : " no")"}"#
    }
    let path = workspace.path("labels.jsonl")
    try Data(lines.joined(separator: "\n").utf8).write(to: URL(filePath: path))
    return path
  }

  @Test func labelsAreChosenByBoth() throws {
    let tokenizer = fixture("gguf/tokenizer")
    let file = try labels()
    let (source, result) = (fixture("huggingface/mixtral"), workspace.path("m.gguf"))
    let arguments = ["quantize", source, result, "--scheme", "q4_0", "--assets", tokenizer]
    let outcome = try Weighbridge.run(
      arguments + [
        "--validate", "--labels", file, "--report", workspace.path("q.html"), "--json",
      ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    let own = try #require(try outcome.object["labels"] as? [String: Any])
    #expect(own["prompt_count"] as? Int == 6 && own["gold_count"] as? Int == 6)
    // They are those of the comparison afterwards.
    let comparison = try Weighbridge.run(
      ["compare", source, result, "--labels", file, "--json"]
    ).object
    let other = try #require(comparison["labels"] as? [String: Any])
    for key in ["by_sum", "by_byte"] {
      #expect(
        try JSONSerialization.data(withJSONObject: #require(own[key]), options: .sortedKeys)
          == JSONSerialization.data(withJSONObject: #require(other[key]), options: .sortedKeys))
    }
    let page = try page()
    #expect(page.ids.contains("labels") && page.text.contains("6 prompts, of which 6 have"))
    // No two models agree more often than always.
    let gate = try Weighbridge.run(
      arguments + ["--validate", "--labels", file, "--min-agreement", "1", "--force", "--json"])
    let flips = ((own["by_sum"] as? [String: Any])?["flips"] as? [Any])?.count ?? 0
    #expect(gate.code == (flips > 0 ? 1 : 0))
    #expect((try gate.object["exceeded"] as? [Any])?.isEmpty == (flips == 0))
  }

  @Test(
    arguments: [
      ["--labels", "l.jsonl"], ["--validate", "--dry-run", "--labels", "l.jsonl"],
      ["--validate", "--max-flips", "1"], ["--validate", "--labels", "missing.jsonl"],
    ])
  func labelsNeedWhatRuns(_ arguments: [String]) throws {
    let outcome = try Weighbridge.run(
      ["quantize", Self.gptj, workspace.path("q.gguf"), "--scheme", "q4_0"] + arguments)
    #expect(outcome.code == 2)
    #expect(workspace.names().isEmpty)
  }
}
