import Foundation
import TestSupport
import Testing

/// `quantize --target-size` and `--target-bits`.
@Suite struct SizeTargetTests {
  private static let gptj = fixture("huggingface/gptj")
  private let workspace: Workspace

  init() throws { workspace = try Workspace() }

  private func quantize(_ destination: String, _ more: String...) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      ["quantize", Self.gptj, workspace.path(destination), "--json", "--quiet"] + more)
  }

  private func target(_ outcome: Weighbridge.Outcome) throws -> [String: Any] {
    try #require(try outcome.object["target"] as? [String: Any], "\(outcome.errors)")
  }

  @Test(arguments: [("own.gguf", "gguf"), ("own", "mlx"), ("own", "compressed-tensors")])
  func theResultIsWithinTheTarget(_ name: String, _ format: String) throws {
    let bits = format == "compressed-tensors" ? "20" : "7"
    let announced = try quantize(name, "--target-bits", bits, "--to", format, "--dry-run")
    let outcome = try quantize(name, "--target-bits", bits, "--to", format)
    #expect(outcome.code == 0, "\(outcome.errors)")
    let report = try outcome.object
    let size = try #require(report["bits_per_weight"] as? Double)
    #expect(size <= Double(bits) ?? 0)
    #expect(size == (try announced.object["bits_per_weight"] as? Double))
    let target = try target(outcome)
    let predicted = try #require(target["predicted"] as? [String: Any])
    let measured = try #require(target["measured"] as? [String: Any])
    #expect(predicted["byte_count"] as? Int == measured["byte_count"] as? Int)
    let errors = [predicted, measured].compactMap { $0["relative_rmse"] as? Double }
    #expect(errors.count == 2 && abs(errors[0] - errors[1]) <= 1e-4 * errors[0])
    let replay = try Weighbridge.run(
      "verify", workspace.path(name), "--replay", Self.gptj, "--skip", "values", "--quiet")
    #expect(replay.code == 0, "\(replay.text)")
  }

  @Test func bytesAreCounted() throws {
    let outcome = try quantize("own.gguf", "--target-size", "150KB", "--quality", "best")
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect((try outcome.object["byte_count"] as? Int).map { $0 <= 150_000 } == true)
    #expect(try target(outcome)["wanted_byte_count"] as? Int == 150_000)
    #expect(try outcome.object["quality"] as? String == "best")
  }

  /// With `--validate` choices are run, and the one that costs least is taken.
  @Test(arguments: ["gguf", "mlx"])
  func choicesAreTriedWhereBothRun(_ format: String) throws {
    let tokens = (0..<48).map { "\($0 * 7 % 60)" }.joined(separator: ",")
    let name = format == "gguf" ? "own.gguf" : "own"
    let outcome = try quantize(
      name, "--target-bits", "7", "--to", format, "--validate", "--tokens", tokens)
    let target = try target(outcome)
    let trials = try #require(target["trials"] as? [[String: Any]])
    let own = trials.filter { $0["scheme"] == nil }
    let costs = own.compactMap { $0["kl_divergence"] as? Double }
    let best = own.filter { $0["is_best"] as? Bool == true }
    #expect(own.count > 1 && costs.count == own.count && best.count == 1)
    let least = try #require(best.first?["kl_divergence"] as? Double)
    #expect(least == costs.min())
    #expect(own.allSatisfy { ($0["byte_count"] as? Int ?? 0) > 0 })
    // Kinds of weight were run alone before; their factors are 1 on average.
    let kinds = try #require(target["sensitivities"] as? [[String: Any]])
    let factors = kinds.compactMap { $0["factor"] as? Double }
    #expect(factors.count > 4 && abs(factors.reduce(0) { $0 + log($1) }) < 1e-3)
    #expect(
      Set(kinds.compactMap { $0["kind"] as? String }).isSuperset(of: ["attention in", "head"]))
    #expect(kinds.allSatisfy { ($0["first_layer"] == nil) == ($0["last_layer"] == nil) })
    // What is written is what was tried.
    let report = try outcome.object
    #expect((report["kl_divergence"] as? [String: Any])?["mean"] as? Double == least)
    #expect(best.first?["byte_count"] as? Int == report["byte_count"] as? Int)
    let preset = try #require(trials.last)
    let record = try #require(target["preset"] as? [String: Any])
    #expect(preset["scheme"] as? String == record["scheme"] as? String)
    let cost = try #require(preset["kl_divergence"] as? Double)
    #expect(target["is_preset_better"] as? Bool == (cost < least))
    let plain = try quantize(
      "preset\(format == "gguf" ? ".gguf" : "")", "--scheme",
      #require(record["scheme"] as? String), "--validate", "--tokens", tokens)
    #expect((try plain.object["kl_divergence"] as? [String: Any])?["mean"] as? Double == cost)
    let estimated = try self.target(quantize("x.gguf", "--target-bits", "7", "--dry-run"))
    #expect(estimated["trials"] == nil && estimated["sensitivities"] == nil)
    // What decides without trials is told.
    let expected = try #require(
      (estimated["preset"] as? [String: Any])?["relative_cost"] as? Double)
    #expect(estimated["is_preset_better"] as? Bool == (expected < 1))
  }

  /// Where embedding and head are run alone, nothing heeds importances.
  @Test(arguments: ["gguf", "mlx", "compressed-tensors"])
  func kindsRunAloneWithImportances(_ format: String) throws {
    let tokens = (0..<48).map { "\($0 * 7 % 60)" }.joined(separator: ",")
    let file = try workspace.write("tokens.json", Data("[[\(tokens)]]".utf8))
    let importances = workspace.path("imatrix.gguf")
    let made = try Weighbridge.run(
      "importance", Self.gptj, "--tokens-file", file, "--output", importances, "--quiet")
    #expect(made.code == 0, "\(made.errors)")
    let outcome = try quantize(
      format == "gguf" ? "own.gguf" : "own", "--target-bits", format == "gguf" ? "7" : "20", "--to",
      format, "--imatrix", importances, "--quality", "best", "--validate", "--tokens", tokens)
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect((try target(outcome)["sensitivities"] as? [Any])?.isEmpty == false)
  }

  /// Rows of 172 don't fill blocks: F16 is the smallest type that they can have, as schemes have it.
  @Test func whatFillsNoBlocksMayBeF16() throws {
    let outcome = try Weighbridge.run(
      "quantize", fixture("huggingface/llama"), workspace.path("l.gguf"), "--target-bits", "7.5",
      "--assets", fixture("gguf/tokenizer"), "--json", "--quiet")
    #expect(outcome.code == 0, "\(outcome.errors)")
    let tensors = try #require(try outcome.object["tensors"] as? [[String: Any]])
    let types = tensors.filter { ($0["name"] as? String)?.contains("ffn_down") == true }
      .compactMap { $0["dtype"] as? String }
    #expect(types == ["F16", "F16", "F16"])
    let target = try target(outcome)
    #expect((target["preset"] as? [String: Any])?["scheme"] != nil)
  }

  @Test func givenTypesStay() throws {
    let outcome = try quantize(
      "own.gguf", "--target-bits", "8", "--tensor-type", "attn_q=q4_0", "--dry-run")
    let tensors = try #require(try outcome.object["tensors"] as? [[String: Any]])
    let types = tensors.filter { ($0["name"] as? String)?.contains("attn_q.weight") == true }
      .compactMap { $0["dtype"] as? String }
    #expect(!types.isEmpty && Set(types) == ["Q4_0"])
  }

  @Test func theFallbackIsTheSchemeOfThatSizeOrMore() throws {
    let plain = try target(quantize("own.gguf", "--target-bits", "6", "--dry-run"))
    let outcome = try quantize(
      "own.gguf", "--target-bits", "6", "--fallback", "preset", "--dry-run")
    let preset = try #require(plain["preset"] as? [String: Any])
    let isBetter = try #require(plain["is_preset_better"] as? Bool)
    #expect(try target(outcome)["is_preset_taken"] as? Bool == isBetter)
    #expect(
      (try outcome.object["scheme"] as? String == preset["scheme"] as? String) || !isBetter)
  }

  @Test func aFallbackThatIsTooLargeSaysSo() throws {
    let options = [
      "--target-size", "150KB", "--fallback", "preset", "--tensor-type", "ffn_down=q8_0",
    ]
    let page = workspace.path("own.html")
    let outcome = try Weighbridge.run(
      ["quantize", Self.gptj, workspace.path("own.gguf"), "--report", page] + options)
    #expect(outcome.text.contains("and is taken: 9.68 KB more than was asked for"))
    #expect(
      try String(contentsOfFile: page, encoding: .utf8).contains(
        "150 KB were asked for; iq4_nl is expected to cost predictions less"))
    let target = try target(
      Weighbridge.run(
        ["quantize", Self.gptj, "--dry-run", "--to", "gguf", "--json", "--quiet"] + options))
    #expect(target["is_preset_taken"] as? Bool == true)
    #expect(target["excess_byte_count"] as? Int == 9_680)
  }

  @Test func pagesCallAMixAMix() throws {
    let page = workspace.path("own.html")
    let outcome = try quantize("own.gguf", "--target-bits", "6", "--report", page)
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(
      try String(contentsOfFile: page, encoding: .utf8).contains(
        "gptj became a mix for 6 bits per weight"))
  }

  @Test func whatCantBeIsRefused() throws {
    for (options, text) in [
      (["--target-bits", "0.5"], "bits per weight"),
      (["--target-size", "10"], "bytes"),
      (["--target-bits", "5", "--target-size", "1GB"], "not both"),
      (["--target-bits", "5", "--scheme", "q4_0"], "not both"),
      (["--target-bits", "nan"], "--target-bits"), (["--target-bits", "-3"], "--target-bits"),
      (["--scheme", "q4_0", "--fallback", "preset"], "--fallback"),
      (["--target-bits", "5", "--to", "npz"], "--to"), ([], "--scheme"),
    ] {
      let outcome = try Weighbridge.run(
        ["quantize", Self.gptj, workspace.path("no.gguf"), "--quiet"] + options)
      #expect(outcome.code == 2 && outcome.errors.contains(text), "\(options): \(outcome.errors)")
      #expect(!workspace.has("no.gguf"))
    }
    let directory = try Weighbridge.run(
      "quantize", Self.gptj, workspace.path("no"), "--target-bits", "5", "--quiet")
    #expect(directory.code == 2 && directory.errors.contains("--to"))
  }
}
