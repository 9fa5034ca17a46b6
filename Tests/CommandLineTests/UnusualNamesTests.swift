import Foundation
import TestSupport
import Testing

/// Models whose tensors have more or less before their names than transformers gives them.
@Suite struct UnusualNamesTests {
  private let workspace: Workspace
  private let original = fixture("huggingface/gptj")

  init() throws { workspace = try Workspace() }

  /// GPT-J with its tensors renamed.
  private func renamed(_ rename: (String) -> String) throws -> String {
    var sample = try ModelSample("gptj")
    sample.tensors.tensors = sample.tensors.tensors.map {
      SampleTensor(rename($0.name), $0.dtype, $0.shape, $0.data)
    }
    return try sample.write(workspace, "renamed")
  }

  @Test(arguments: ["module.", "_orig_mod.", "model.", "module._orig_mod."])
  func whatWrappersPutBeforeNamesIsLeftOut(_ wrapper: String) throws {
    let path = try renamed { wrapper + $0 }
    let out = workspace.path("out")
    let outcome = try Weighbridge.run("convert", path, out, "--to", "safetensors")
    #expect(outcome.code == 0 && outcome.errors.contains("[name-prefix]"), "\(outcome.errors)")
    #expect(try Weighbridge.run("compare", out, original).code == 0)
    #expect(try Weighbridge.run("compare", path, original).code == 0)
    #expect(try Weighbridge.run("verify", path).code == 0)
  }

  @Test func namesThatNobodyKnowsAreSaid() throws {
    let path = try renamed { "x." + $0 }
    let outcome = try Weighbridge.run("inspect", path)
    #expect(outcome.code == 0 && outcome.errors.contains("[unknown-names]"), "\(outcome.errors)")
  }

  @Test func namesThatAreCutShortAreTheModels() throws {
    let path = try renamed { $0.hasPrefix("transformer.") ? String($0.dropFirst(12)) : $0 }
    for arguments in [
      ["verify", path], ["verify", path, "--against", original], ["compare", path, original],
      ["compare", original, path, "--forward"],
      ["convert", path, workspace.path("mesh"), "--to", "mesh-transformer"],
      ["convert", path, workspace.path("x.store"), "--validate"],
      ["verify", workspace.path("x.store")],
    ] {
      let outcome = try Weighbridge.run(arguments)
      #expect(outcome.code == 0, "\(arguments): \(outcome.text)\(outcome.errors)")
    }
  }

  /// A dict as training programs write it, with a tensor of its own.
  private var training: TorchSample {
    func entry(_ key: String) -> [UInt8] {
      TorchEntry(key: key, count: 2, [2], strides: [1]).pickle()
    }
    let model = Pickle.dictionary([("a", entry("0")), ("b", entry("0"))])
    return TorchSample(
      Pickle.file(Pickle.dictionary([("model", model), ("rng", entry("1"))])),
      [("0", [UInt8](repeating: 1, count: 8)), ("1", [UInt8](repeating: 2, count: 8))])
  }

  @Test func aTensorBesideTheWeightsIsLeftOutAloud() throws {
    let path = try workspace.write("training.pt", Data(training.bytes))
    let outcome = try Weighbridge.run("inspect", path, "--json")
    #expect(outcome.code == 0 && outcome.text.contains("'rng'"), "\(outcome.text)")
    #expect(
      outcome.text.contains(#""name" : "a""#) && !outcome.text.contains(#""name" : "rng""#))
  }

  @Test func anOptimizersStateIsNoModel() throws {
    let entry = TorchEntry(key: "0", count: 2, [2], strides: [1]).pickle()
    let moments = Pickle.dictionary([("exp_avg", entry)])
    let state = TorchSample(
      Pickle.file(
        Pickle.dictionary([
          ("state", Pickle.dictionary([("0", moments)])), ("param_groups", moments),
        ])), [("0", [UInt8](repeating: 1, count: 8))])
    let path = try workspace.write("optimizer.pt", Data(state.bytes))
    let outcome = try Weighbridge.run("inspect", path)
    #expect(outcome.code == 2 && outcome.errors.contains("an optimizer"), "\(outcome.errors)")
  }

  /// What only one has counts as that, not as a difference of values.
  @Test func compareCountsWhatOnlyOneHas() throws {
    let outcome = try Weighbridge.run("compare", original, fixture("huggingface/gpt2"))
    #expect(outcome.code == 1 && outcome.text.contains("only in the second"), "\(outcome.text)")
    #expect(outcome.errors.contains("the configurations differ in 'model_type'"))
  }

  @Test func damageBesideTheWeightsIsFoundByVerify() throws {
    var builder = training.builder
    builder.entries[2].crc ^= 1
    let path = try workspace.write("damaged.pt", Data(builder.bytes))
    #expect(try Weighbridge.run("inspect", path, "--digests").code == 0)
    let outcome = try Weighbridge.run("verify", path)
    #expect(outcome.code == 1 && outcome.text.contains("CRC-32"), "\(outcome.text)")
  }
}
