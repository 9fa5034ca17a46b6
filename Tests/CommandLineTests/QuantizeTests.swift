import Foundation
import TestSupport
import Testing

/// `quantize`: from any source, with a report that gates.
@Suite struct QuantizeTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let gptj = fixture("huggingface/gptj")
  private static let llama = fixture("huggingface/llama")
  private static let tokenizer = ["--assets", fixture("gguf/tokenizer")]

  private func quantize(
    _ source: String, _ name: String, _ scheme: String, _ options: [String] = []
  ) throws -> Weighbridge.Outcome {
    try Weighbridge.run(
      ["quantize", source, workspace.path(name), "--scheme", scheme, "--quiet"] + options)
  }

  /// The `root` of a report.
  private func root(_ outcome: Weighbridge.Outcome) throws -> String {
    try #require(try outcome.object["root"] as? String)
  }

  /// Programs that read a claim of codes load none of the weights.
  @Test(arguments: ["mlx-q4-g128", "w4a16-g128"])
  func whereNothingFitsTheConfigurationHolds(scheme: String) throws {
    let out = workspace.path("nothing")
    let outcome = try Weighbridge.run(
      "quantize", fixture("huggingface/llama"), out, "--scheme", scheme)
    #expect(outcome.code == 0 && outcome.errors.contains("[nothing-quantized]"))
    let verified = try Weighbridge.run("verify", out, "--replay", fixture("huggingface/llama"))
    #expect(verified.code == 0, "\(verified.text)\(verified.errors)")
  }

  @Test func reportsEveryTensor() throws {
    let outcome = try quantize(Self.gptj, "m.gguf", "q4_k_m", ["--json", "--validate"])
    #expect(outcome.code == 0)
    let report = try outcome.object
    #expect(report["schema"] as? String == "quantization/v1")
    let tensors = try #require(report["tensors"] as? [[String: Any]])
    #expect(tensors.count == 47)
    for tensor in tensors {
      let isQuantized = (tensor["dtype"] as? String)?.hasPrefix("Q") == true
      #expect((tensor["relative_rmse"] as? Double != nil) == isQuantized)
      #expect((tensor["reason"] as? String == "unquantized") == !isQuantized)
    }
    let divergence = try #require(report["kl_divergence"] as? [String: Double])
    #expect(Set(divergence.keys) == ["mean", "median", "p99", "max"])
    #expect(try #require(divergence["max"]) > 0)
    #expect(report["token_count"] as? Int == 64)
    let bits = try #require(report["bits_per_weight"] as? Double)
    #expect(bits > 5 && bits < 7)
    // Rows of 64 fill no blocks of 256.
    let substitutions = try #require(report["substitutions"] as? [[String: Any]])
    #expect(substitutions.count == 16)
    #expect(substitutions[0]["wanted"] as? String == "Q4_K")
    #expect(substitutions[0]["dtype"] as? String == "Q5_0")
    #expect(outcome.errors.contains("16 tensors"))
    let worst = try #require(report["worst_tensors"] as? [String])
    #expect(worst.count == 10)
    let verified = try Weighbridge.run(
      "verify", workspace.path("m.gguf"), "--against", Self.gptj)
    #expect(verified.code == 0)
  }

  @Test(arguments: ["gpt2", "gpt_neox", "llama_biases", "qwen2_tied", "llama_rope_llama3"])
  func everyFamilyIsVerifiedAgainstItsSource(_ family: String) throws {
    let source = fixture("huggingface/\(family)")
    for scheme in ["q8_0", "q5_k_s"] {
      let outcome = try quantize(source, "\(scheme).gguf", scheme, Self.tokenizer + ["--json"])
      #expect(outcome.code == 0, "\(outcome.errors)")
      let verified = try Weighbridge.run(
        "verify", workspace.path("\(scheme).gguf"), "--against", source)
      #expect(verified.code == 0, "\(verified.text)")
    }
  }

  @Test func limitsDecideTheExitCode() throws {
    let exceeded = try quantize(
      Self.gptj, "a.gguf", "q4_0", ["--validate", "--max-kl", "1e-9", "--max-rmse", "0.001"])
    #expect(exceeded.code == 1)
    #expect(exceeded.text.contains("EXCEEDED: the mean KL divergence"))
    #expect(exceeded.text.contains("EXCEEDED: the relative error of"))
    #expect(try Weighbridge.run("verify", workspace.path("a.gguf")).code == 0)
    let kept = try quantize(
      Self.gptj, "b.gguf", "q8_0", ["--validate", "--max-kl", "0.01", "--max-rmse", "0.01"])
    #expect(kept.code == 0)
    #expect(!kept.text.contains("EXCEEDED"))
    let json = try quantize(Self.gptj, "c.gguf", "q4_0", ["--max-rmse", "0.001", "--json"])
    #expect(json.code == 1)
    let excess = try #require(try json.object["exceeded"] as? [[String: Any]])
    #expect(excess.count == 1)
    #expect(excess[0]["limit"] as? String == "max_rmse")
    #expect((excess[0]["tensor"] as? String)?.hasPrefix("blk.") == true)
  }

  @Test func planSaysWhatWillBe() throws {
    let planned = try quantize(
      Self.llama, "m.gguf", "q4_k_m", Self.tokenizer + ["--dry-run", "--json"])
    #expect(planned.code == 0)
    #expect(!workspace.has("m.gguf"))
    let done = try quantize(Self.llama, "m.gguf", "q4_k_m", Self.tokenizer + ["--json"])
    let (plan, report) = (try planned.object, try done.object)
    for key in ["byte_count", "parameter_count", "bits_per_weight", "substitutions", "findings"] {
      #expect(plan[key] as? NSObject == report[key] as? NSObject, "\(key)")
    }
    #expect(plan["root"] == nil)
    let text = try quantize(Self.llama, "n.gguf", "q4_k_m", Self.tokenizer + ["--dry-run"]).text
    #expect(!text.contains("blk.0") && text.contains("bits per weight"))
    let list = try quantize(
      Self.llama, "n.gguf", "q4_k_m", Self.tokenizer + ["--dry-run", "--tensors"]
    ).text
    #expect(list.contains("instead of Q4_K: 64 columns don't fill blocks of 256"))
    #expect(list.hasSuffix(text))
  }

  @Test func strictnessAllowsNoSubstitutes() throws {
    let outcome = try quantize(Self.llama, "m.gguf", "q6_k", Self.tokenizer + ["--strict"])
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("--strict"))
    #expect(workspace.names().isEmpty)
    #expect(try quantize(Self.gptj, "m.gguf", "q8_0", ["--strict"]).code == 0)
  }

  @Test func optionsGiveTypes() throws {
    let outcome = try quantize(
      Self.gptj, "m.gguf", "q4_0",
      [
        "--tensor-type", "blk.0.ATTN_[qk]=q8_0", "--tensor-type", "attn_q=f16", "--output-type",
        "bf16", "--json",
      ])
    #expect(outcome.code == 0)
    let tensors = try #require(try outcome.object["tensors"] as? [[String: Any]])
    func type(_ name: String) -> String? {
      tensors.first { $0["name"] as? String == name }?["dtype"] as? String
    }
    #expect(type("blk.0.attn_q.weight") == "Q8_0" && type("blk.0.attn_k.weight") == "Q8_0")
    #expect(type("blk.1.attn_q.weight") == "F16" && type("blk.1.attn_k.weight") == "Q4_0")
    #expect(type("output.weight") == "BF16" && type("token_embd.weight") == "Q4_0")
    #expect(type("blk.0.attn_norm.weight") == "F32")
    for options in [
      ["--tensor-type", "nothing=q8_0"], ["--tensor-type", "attn_q"], ["--tensor-type", "(=q8_0"],
      ["--tensor-type", "attn_q=i8"], ["--output-type", "q9"], ["--max-kl", "1"],
      ["--max-rmse", "-1"], ["--imatrix", "/nowhere"], ["--validate", "--tokens", "1,x"],
      ["--validate", "--tokens", "1,400", "--dry-run"],
    ] {
      #expect(try quantize(Self.gptj, "n.gguf", "q4_0", options).code == 2, "\(options)")
    }
    #expect(try quantize(Self.gptj, "n.store", "q4_0").code == 2)
    let dry = try Weighbridge.run(
      "quantize", Self.gptj, "--scheme", "q4_0", "--validate", "--tokens", "1,2", "--dry-run")
    #expect(dry.code == 0 && dry.errors.contains("--dry-run runs nothing"), "\(dry.errors)")
    #expect(try quantize(Self.gptj, "n.gguf", "q4_9").code == 2)
    #expect(try quantize(Self.gptj, "n.gguf", "q2_k_s").errors.contains("--imatrix"))
    #expect(!workspace.has("n.gguf"))
  }

  @Test func sourcesOfOneModelGiveTheSameBlocks() throws {
    let direct = try quantize(Self.gptj, "direct.gguf", "q5_1", ["--json"])
    for (name, format) in [
      ("m.store", "store"), ("f32.gguf", "gguf"), ("mesh", "mesh-transformer"),
    ] {
      let made = try Weighbridge.run(
        "convert", Self.gptj, workspace.path(name), "--to", format, "--quiet")
      #expect(made.code == 0, "\(made.errors)")
      let options = name == "mesh" ? ["--assets", Self.gptj] : []
      let outcome = try quantize(
        workspace.path(name), "\(format).out.gguf", "q5_1", options + ["--json"])
      #expect(outcome.code == 0, "\(outcome.errors)")
      #expect(try root(outcome) == root(direct), "\(format)")
    }
    // Once more, from blocks: of the same type they stay, to others they are made again.
    let again = try quantize(workspace.path("direct.gguf"), "again.gguf", "q5_1", ["--json"])
    #expect(try root(again) == root(direct))
    let smaller = try quantize(workspace.path("direct.gguf"), "smaller.gguf", "q4_0")
    #expect(smaller.code == 0)
    #expect(smaller.errors.contains("quantized-again"))
  }

  @discardableResult
  private func writeMatrix(for name: String, factor: Int) throws -> String {
    try ImportanceSample.write(workspace, "imatrix.dat", for: name, factor: factor)
  }

  @Test func importancesMustBeOfTheModelAndSaySomething() throws {
    for (name, factor, message) in [
      ("blk.9.attn_q.weight", 1, "of another model"),
      ("blk.0.attn_q.weight", 0, "nothing in a weight matters"),
      ("blk.0.ffn_down.weight", 1, "importances for another number of columns"),
    ] {
      let matrix = try writeMatrix(for: name, factor: factor)
      let outcome = try quantize(Self.gptj, "m.gguf", "q4_0", ["--imatrix", matrix])
      #expect(outcome.code == 2)
      #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }
    #expect(!workspace.has("m.gguf"))
    let matrix = try writeMatrix(for: "blk.0.attn_q.weight", factor: 1)
    let sparse = try quantize(Self.gptj, "m.gguf", "q4_0", ["--imatrix", matrix])
    #expect(sparse.code == 0)
    #expect(sparse.errors.contains("18 of 19 tensors have no importances"), "\(sparse.errors)")
  }

  @Test func importancesThatChangeNothingAreFound() throws {
    let matrix = try writeMatrix(for: "blk.0.attn_q.weight", factor: 1)
    let ignored = try quantize(Self.gptj, "q8.gguf", "q8_0", ["--imatrix", matrix])
    #expect(ignored.code == 0)
    #expect(
      ignored.errors.contains("Q8_0 doesn't heed it")
        && ignored.errors.contains("importance-ignored"),
      "\(ignored.errors)")
    let heeded = try quantize(Self.gptj, "q4.gguf", "q4_0", ["--imatrix", matrix])
    #expect(!heeded.errors.contains("importance-ignored"))
    // One tensor that heeds it is enough.
    let mixed = try quantize(
      Self.gptj, "mixed.gguf", "q8_0",
      ["--imatrix", matrix, "--tensor-type", "blk\\.0\\.attn_q=q4_0"])
    #expect(mixed.code == 0 && !mixed.errors.contains("importance-ignored"), "\(mixed.errors)")
  }

  @Test func patternsEnd() throws {
    let outcome = try quantize(
      Self.gptj, "m.gguf", "q4_0", ["--dry-run", "--tensor-type", "(.*)*(.*)*(.*)*(.*)*Z=q8_0"])
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("takes too long"))
    for (option, message) in [
      ("attn_norm=f16", "fits no tensor that is quantized"), ("q4_0", "for which tensors"),
      ("attn_q=q9", "can't be given"), ("(=q8_0", "no regular expression"),
    ] {
      let outcome = try quantize(Self.gptj, "m.gguf", "q4_0", ["--tensor-type", option])
      #expect(outcome.code == 2)
      #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }
  }

  @Test func keysOfOthersGoAlong() throws {
    let direct = try quantize(Self.gptj, "m.gguf", "f16")
    #expect(direct.code == 0)
    // A key more, of the same length as one that isn't needed.
    var bytes = try workspace.contents("m.gguf")
    let name = try #require(bytes.range(of: Data("general.name".utf8)))
    bytes.replaceSubrange(name, with: Data("general.mine".utf8))
    try workspace.write("mine.gguf", bytes)
    let again = try quantize(workspace.path("mine.gguf"), "again.gguf", "q8_0")
    #expect(again.code == 0, "\(again.errors)")
    #expect(!again.errors.contains("metadata-left-out"), "\(again.errors)")
    let inspected = try Weighbridge.run("inspect", workspace.path("again.gguf")).text
    #expect(inspected.contains("general.mine = gptj"))
    #expect(inspected.contains("general.file_type = 7"))
    let prompted = try Weighbridge.run(
      "forward", workspace.path("again.gguf"), "--prompt", "hello", "--generate", "3")
    #expect(prompted.code == 0, "\(prompted.errors)")
  }

  @Test func importancesChangeBlocks() throws {
    let name = "blk.0.attn_q.weight"
    try writeMatrix(for: name, factor: 1)
    let plain = try quantize(Self.gptj, "plain.gguf", "q4_0", ["--json"])
    let weighted = try quantize(
      Self.gptj, "weighted.gguf", "q4_0", ["--imatrix", workspace.path("imatrix.dat"), "--json"])
    #expect(weighted.code == 0, "\(weighted.errors)")
    func digests(_ outcome: Weighbridge.Outcome) throws -> [String: String] {
      let tensors = try #require(try outcome.object["tensors"] as? [[String: Any]])
      return Dictionary(
        tensors.map { ($0["name"] as? String ?? "", $0["digest"] as? String ?? "") },
        uniquingKeysWith: { first, _ in first })
    }
    let (before, after) = (try digests(plain), try digests(weighted))
    #expect(before.keys.filter { before[$0] != after[$0] } == [name])
    let importance = try #require(try weighted.object["importance"] as? [String: Any])
    #expect(importance["datasets"] as? [String] == ["text"])
    let path = workspace.path("weighted.gguf")
    let unsaid = try Weighbridge.run("verify", path, "--against", Self.gptj)
    #expect(unsaid.code == 2)
    #expect(unsaid.errors.contains("name it by --imatrix"))
    #expect(
      try Weighbridge.run(
        "verify", path, "--against", Self.gptj, "--imatrix", workspace.path("imatrix.dat")
      ).code == 0)
  }

  /// GPT-J's fixture with another number in a tensor.
  private func damaged(
    _ tensor: String, element: Int, bytes number: [UInt8] = [0, 0, 0xc0, 0x7f]
  ) throws -> String {
    let source = try workspace.folder("damaged")
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
      try FileManager.default.copyItem(
        atPath: "\(Self.gptj)/\(name)", toPath: "\(source)/\(name)")
    }
    var bytes = try Data(contentsOf: URL(filePath: "\(Self.gptj)/model.safetensors"))
    let header = bytes.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    let object = try #require(
      try JSONSerialization.jsonObject(with: bytes[8..<8 + header]) as? [String: Any])
    let entry = try #require(object[tensor] as? [String: Any])
    let start = 8 + header + (try #require((entry["data_offsets"] as? [Int])?.first))
    bytes.replaceSubrange(
      start + element * 4..<start + (element + 1) * 4, with: number)
    try bytes.write(to: URL(filePath: "\(source)/model.safetensors"))
    return source
  }

  @Test func modelsThatComputeNoNumbersPassNoGate() throws {
    let source = try damaged("transformer.h.1.ln_1.weight", element: 7)
    let converted = try Weighbridge.run(
      "convert", source, workspace.path("c.gguf"), "--validate", "--quiet")
    #expect(converted.text.contains("LOGITS ARE NO NUMBERS"), "\(converted.text)")
    // Vectors aren't made blocks, and are looked at all the same.
    let outcome = try quantize(source, "m.gguf", "q8_0")
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("'blk.1.attn_norm.weight'"))
    #expect(outcome.errors.contains("NaN at [7]"), "\(outcome.errors)")
    #expect(!workspace.has("m.gguf"))
  }

  @Test func floatsThatOverflowAreRefusedAsSuch() throws {
    // 2^120 in the head.
    let source = try damaged("lm_head.weight", element: 3, bytes: [0, 0, 0x80, 0x7b])
    let refused = try quantize(source, "m.gguf", "f16")
    #expect(refused.code == 2)
    #expect(refused.errors.contains("would become infinite in F16"), "\(refused.errors)")
    let allowed = try quantize(source, "m.gguf", "f16", ["--allow-overflow"])
    #expect(allowed.code == 0, "\(allowed.errors)")
  }

  @Test func weightsThatAreNoNumbersAreNamed() throws {
    // Row 2, column 5 of [64, 256].
    let source = try damaged("transformer.h.1.mlp.fc_out.weight", element: 2 * 256 + 5)
    let outcome = try quantize(source, "m.gguf", "q4_k_s")
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("'blk.1.ffn_down.weight'"))
    #expect(outcome.errors.contains("NaN at [2, 5]"))
    #expect(!workspace.has("m.gguf") && !workspace.has(".m.gguf.partial"))
  }
}
