import Foundation
import TestSupport
import Testing

/// Models that see their prompt as a whole, as the commands treat them.
@Suite struct AttentionTests {
  private let workspace: Workspace
  private let prefix: String
  private let causal = fixture("huggingface/gptj")

  init() throws {
    workspace = try Workspace()
    prefix = try ModelSample.withPrefix().write(workspace, "prefix")
  }

  // MARK: Forward

  private func logits(_ source: String, _ arguments: String...) throws -> [Float] {
    let file = workspace.path("logits.npy")
    let tokens = ["--tokens", "1,2,3,4,5"]
    let outcome = try Weighbridge.run(
      ["forward", source, "--logits", file] + tokens + arguments)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return try ArrayFile(file).floats
  }

  @Test func forwardSeesThePromptAsAWhole() throws {
    let whole = try logits(prefix)
    #expect(whole == (try logits(prefix, "--prefix", "5")))
    #expect(whole == (try logits(causal, "--prefix", "5")))
    #expect(whole == (try logits(prefix, "--prefix", "100")))
    let plain = try logits(causal)
    #expect(whole != plain)
    #expect(plain == (try logits(prefix, "--prefix", "0")))
    #expect(plain == (try logits(causal, "--prefix", "0")))
    #expect(try logits(prefix, "--prefix", "3") != plain)
  }

  @Test func forwardSaysWhatItDid() throws {
    for (arguments, expected) in [([], 3), (["--prefix", "2"], 2), (["--prefix", "0"], 0)] {
      let outcome = try Weighbridge.run(
        ["forward", prefix, "--tokens", "1,2,3", "--json"] + arguments)
      #expect(try outcome.object["prefix"] as? Int == expected)
      #expect(outcome.errors.contains("[prefix-attention]"))
    }
    let perplexity = try Weighbridge.run(
      "forward", prefix, "--tokens", "1,2,3", "--perplexity", "--json")
    #expect(try perplexity.object["prefix"] as? Int == 0)
    #expect(perplexity.errors.contains("measured causally"))
    let same = try Weighbridge.run("forward", causal, "--tokens", "1,2,3", "--perplexity", "--json")
    #expect(
      try NSDictionary(dictionary: perplexity.object["perplexity"] as? [String: Any] ?? [:])
        == same.object["perplexity"] as? NSDictionary)
  }

  @Test func generatedTokensAreSeenCausally() throws {
    let outcome = try Weighbridge.run(
      "forward", prefix, "--tokens", "1,2,3,4,5", "--generate", "4", "--json")
    let generated = try #require(try outcome.object["generated"] as? [Int])
    #expect(generated.count == 4)
    for count in generated.indices {
      let tokens = [1, 2, 3, 4, 5] + generated[..<count]
      let list = tokens.map(String.init).joined(separator: ",")
      let next = try Weighbridge.run(
        "forward", prefix, "--tokens", list, "--prefix", "5", "--top", "1", "--json")
      let top = try next.object["top"] as? [[[String: Any]]]
      #expect(top?[0][0]["token"] as? Int == generated[count])
    }
  }

  // MARK: Compare

  @Test func compareSaysThatOnlyTheAttentionDiffers() throws {
    let text = try Weighbridge.run("compare", causal, prefix)
    #expect(text.code == 1)
    #expect(text.text.contains("different attention, identical weights"))
    let json = try Weighbridge.run("compare", prefix, causal, "--json")
    #expect(json.code == 1)
    let object = try json.object
    #expect(object["identical"] as? Bool == true)
    #expect(object["attentions"] as? [String] == ["prefix", "causal"])
    #expect(try Weighbridge.run("compare", prefix, prefix).code == 0)
  }

  @Test func compareRunsOnlyTheOneWithAPrefix() throws {
    let tokens = ["--forward", "--tokens", "1,2,3,4,5,6", "--json"]
    for (first, second, arguments, expected) in [
      (causal, prefix, ["--prefix", "3"], [0, 3]), (prefix, causal, ["--prefix", "3"], [3, 0]),
      (causal, prefix, [], [0, 6]), (prefix, prefix, [], [6, 6]),
      (prefix, prefix, ["--prefix", "2"], [2, 2]), (causal, causal, ["--prefix", "2"], [2, 2]),
      (causal, causal, [], [0, 0]), (causal, prefix, ["--prefix", "0"], [0, 0]),
    ] {
      let outcome = try Weighbridge.run(["compare", first, second] + tokens + arguments)
      let object = try outcome.object
      #expect(object["prefixes"] as? [Int] == expected)
      let differs = expected[0] != expected[1]
      let largest = try #require(object["max_abs_logit_difference"] as? Double)
      #expect((largest > 0) == differs, "\(expected)")
      #expect(outcome.code == (first == second ? 0 : 1))
    }
  }

  // MARK: Convert and inspect

  @Test func convertRefusesToLoseIt() throws {
    for format in ["safetensors", "npz", "mesh-transformer"] {
      let outcome = try Weighbridge.run("convert", prefix, workspace.path("out"), "--to", format)
      #expect(outcome.code == 2)
      for word in ["prefix attention", "--attention causal", "--to store"] {
        #expect(outcome.errors.contains(word), "\(format)")
      }
      #expect(!workspace.has("out"))
    }
    let dry = try Weighbridge.run(
      "convert", prefix, workspace.path("out"), "--to", "safetensors", "--dry-run")
    #expect(dry.code == 2)
  }

  @Test func validationMeasuresWhatGivingItUpCosts() throws {
    let out = workspace.path("out")
    let given = try Weighbridge.run(
      "convert", prefix, out, "--to", "safetensors", "--attention", "causal", "--validate",
      "--json")
    #expect(given.code == 0, "\(given.errors)")
    #expect(given.errors.contains("[attention-given-up]"))
    #expect(try given.object["attention"] as? String == "causal")
    let store = try Weighbridge.run(
      "convert", prefix, workspace.path("out.store"), "--to", "store", "--validate", "--json")
    #expect(try store.object["attention"] as? String == "prefix")
    func largest(_ outcome: Weighbridge.Outcome) throws -> Double? {
      (try outcome.object["validation"] as? [String: Any])?["max_abs_logit_difference"] as? Double
    }
    #expect(try largest(given) ?? 0 > 0.001)
    #expect(try largest(store) == 0)
    let stored = try Weighbridge.run("inspect", workspace.path("out.store"), "--json")
    #expect(try stored.object["attention"] as? String == "prefix")
    let verified = try Weighbridge.run("verify", workspace.path("out.store"), "--against", prefix)
    #expect(verified.code == 0)
  }

  @Test func masksThatSaySomethingElseAreRefused() throws {
    let other: (String) -> SampleTensor = { .mask($0, size: 64) { abs($0 - $1) < 5 } }
    let path = try ModelSample.gptj(masks: [other, other, other]).write(workspace, "other")
    let inspection = try Weighbridge.run("inspect", path, "--json")
    #expect(inspection.code == 0)
    let object = try inspection.object
    #expect(object["attention"] as? String == "other")
    let findings = try #require(object["findings"] as? [[String: Any]])
    #expect(
      findings.contains {
        $0["severity"] as? String == "error"
          && $0["tensor"] as? String == "transformer.h.0.attn.bias"
      })
    for arguments in [
      ["forward", path, "--tokens", "1,2"],
      ["convert", path, workspace.path("out"), "--to", "store"],
    ] {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 2)
      #expect(outcome.errors.contains("transformer.h.0.attn.bias"))
    }
    #expect(try Weighbridge.run("verify", path).code == 1)
  }

  // MARK: Files of PyTorch's

  @Test func tensorsOfOtherKindsAreNamedWhenTheyAreConverted() throws {
    let path = fixture("pytorch/tensors/unreadable.pt")
    let inspection = try Weighbridge.run("inspect", path, "--digests")
    #expect(inspection.code == 0)
    #expect((inspection.text + inspection.errors).contains("unreadable-tensor"))
    let outcome = try Weighbridge.run(
      "convert", path, workspace.path("out"), "--to", "safetensors")
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("per_tensor") && outcome.errors.contains("hint: "))
  }

  @Test func inspectionNamesSharedStorages() throws {
    let outcome = try Weighbridge.run("inspect", fixture("pytorch/tensors/tied.pt"), "--json")
    let tensors = try #require(try outcome.object["tensors"] as? [[String: Any]])
    #expect(
      tensors.map { $0["shares_storage_with"] as? String } == [nil, "wte.weight", "wte.weight"])
  }

  @Test func missingTensorsAreNamed() throws {
    var sample = try ModelSample("gptj")
    sample.tensors.tensors.removeAll { $0.name == "lm_head.bias" }
    let outcome = try Weighbridge.run(
      "convert", sample.write(workspace, "broken"), workspace.path("out"), "--to", "store")
    #expect(outcome.code == 2 && outcome.errors.contains("lm_head.bias"))
  }

  /// Embedding and head are looked at to see whether they are tied; their first values tell, and whoever reads all finds the damage.
  @Test func aDamagedModelIsListedAllTheSame() throws {
    let path = workspace.path("damaged")
    try workspace.copy(fixture("pytorch/gptj_sharded"), to: "damaged")
    try workspace.edit("damaged/pytorch_model-00001-of-00002.bin") { $0[30_000] ^= 1 }
    let outcome = try Weighbridge.run("inspect", path, "--json")
    #expect(outcome.code == 0)
    for arguments in [
      ["inspect", path, "--digests"],
      ["convert", path, workspace.path("out"), "--to", "safetensors"],
    ] { #expect(try Weighbridge.run(arguments).code == 2) }
  }

  @Test func aChecksumIsNoticedWhereBytesAreRead() throws {
    var sample = TorchSample(
      [("w", TorchEntry(count: 2, [2], strides: [1]))], storage: [UInt8](repeating: 1, count: 8)
    ).builder
    sample.entries[1].crc ^= 1
    let path = try workspace.write("x.bin", Data(sample.bytes))
    #expect(try Weighbridge.run("inspect", path).code == 0)
    for arguments in [
      ["inspect", path, "--digests"],
      ["convert", path, workspace.path("out"), "--to", "safetensors"],
    ] {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 2 && outcome.errors.contains("'w'"), "\(outcome.errors)")
    }
    #expect(try Weighbridge.run("verify", path).code == 1)
  }

  /// Masks of two dimensions say the same as those of four.
  @Test func masksOfOtherRanksAreRead() throws {
    var sample = try ModelSample("gptj")
    let ones = Data(repeating: 1, count: 64 * 64)
    for layer in 0..<3 {
      sample.tensors.tensors.append(
        SampleTensor("transformer.h.\(layer).attn.bias", "BOOL", [64, 64], ones))
    }
    let path = try sample.write(workspace, "flat")
    #expect(try logits(path) == logits(prefix))
  }

  @Test func validationShowsWhatDeclaringPrefixChanges() throws {
    var sample = try ModelSample("gptj")
    let rows = (0..<64).flatMap { row in (0..<64).map { UInt8($0 <= row ? 1 : 0) } }
    for layer in 0..<3 {
      sample.tensors.tensors.append(
        SampleTensor("transformer.h.\(layer).attn.bias", "BOOL", [1, 1, 64, 64], Data(rows)))
    }
    let outcome = try Weighbridge.run(
      "convert", sample.write(workspace, "masked"), workspace.path("declared.store"),
      "--attention", "prefix", "--validate")
    #expect(outcome.code == 0 && !outcome.text.contains("by at most 0,"), "\(outcome.text)")
    #expect(outcome.errors.contains("warning: prefix attention"), "\(outcome.errors)")
  }

  /// A filler of −1e9 doesn't fit F16, but is no weight.
  @Test func fillersAreNoPrecision() throws {
    let filler = SampleTensor("h.0.attn.masked_bias", [], floats: [-1e9])
    let weight = SampleTensor("h.0.w", [2], floats: [1, 2])
    let path = try workspace.write(
      "x.safetensors", SafetensorsSample([filler, weight]).fileContents)
    let outcome = try Weighbridge.run("inspect", path, "--statistics")
    #expect(outcome.text.contains("this F32 checkpoint is"), "\(outcome.text)")
  }
}
