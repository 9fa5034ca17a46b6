import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import Foundation
import TensorModel
import TestSupport
import Testing

/// Checkpoints of TensorFlow and Flax made PyTorch's, and such as were only renamed.
@Suite struct ForeignConversionTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  @Test(arguments: [
    ("gpt2_tf", "gpt2_inverse_layer"), ("gpt2_flax", "gpt2_inverse_layer"),
    ("llama_flax", "llama_rope_linear"), ("gpt_neo_flax", "gpt_neo"),
  ])
  func giveTheOriginalBitForBit(_ name: String, _ original: String) throws {
    let outcome = try convert(Fixtures.path("foreign/\(name)"), workspace.path("out"))
    #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
    let produced = try SafetensorsSample(folder: workspace.path("out"))
    #expect(produced.metadata == ["format": "pt"])
    let expected = try SafetensorsSample(folder: Fixtures.path("huggingface/\(original)"))
    #expect(produced.tensors.count > 10)
    for tensor in produced.tensors { #expect(tensor == expected[tensor.name]) }
    #expect(name == "gpt_neo_flax" || produced.tensors.count == expected.tensors.count)
  }

  @Test func expressionsSayWhatWasDone() throws {
    let outcome = try convert(
      Fixtures.path("foreign/gpt2_tf"), workspace.path("out"), dtype: .bf16)
    func expression(_ name: String) -> String? {
      outcome.certificate.tensors.first { $0.name == name }.map { "\($0.expression)" }
    }
    #expect(
      expression("transformer.h.0.attn.c_attn.bias")
        == "cast(squeeze(transformer/h_._0/attn/c_attn/bias:0), BF16)")
    #expect(expression("lm_head.weight") == "cast(transpose(lm_head/kernel:0), BF16)")
  }

  @Test func storesAreTheSameFromEveryFramework() throws {
    let names = ["gpt2_tf", "gpt2_flax", "gpt2_inverse_layer"]
    for name in names {
      let folder = name == "gpt2_inverse_layer" ? "huggingface" : "foreign"
      let store = workspace.path("\(name).store")
      let outcome = try convert(Fixtures.path("\(folder)/\(name)"), store) { $0.format = "store" }
      let back = try convert(store, workspace.path(name))
      #expect(outcome.certificate.root == back.certificate.root)
    }
    let files = try names.map { try workspace.contents("\($0)/model.safetensors") }
    #expect(files[0] == files[2] && files[1] == files[2])
    #expect(try SafetensorsSample(parsing: files[0]).metadata == ["format": "pt"])
  }

  @Test(arguments: ["tf", "flax"], ["safetensors", "store"])
  func metadataThatIsWrongIsNotWrittenAgain(format: String, target: String) throws {
    let sample = SafetensorsSample(
      [SampleTensor("a.weight", [1, 2], floats: [1, 2])],
      metadata: ["format": format, "other": "kept"])
    let source = try workspace.write("in.safetensors", sample.fileContents)
    let outcome = try convert(source, workspace.path("out")) { $0.format = target }
    #expect(outcome.certificate.findings.map(\.check) == ["format-metadata"])
    #expect(
      try Source(workspace.path("out")).checkpoint.metadata == ["format": "pt", "other": "kept"])
  }

  // MARK: Renamed

  /// Flax's values under PyTorch's names.
  private func renamed(format: String?) throws -> String {
    var sample = try ModelSample(folder: "foreign/gptj_flax")
    for index in sample.tensors.tensors.indices {
      let parts = sample.tensors.tensors[index].name.split(separator: ".")
      let isWeight = ["kernel", "scale", "embedding"].contains(parts.last)
      let name = parts.dropLast() + [isWeight ? "weight" : "bias"]
      sample.tensors.tensors[index].name = name.joined(separator: ".")
    }
    sample.tensors.metadata = format.map { ["format": $0] } ?? [:]
    return try sample.write(workspace, "renamed")
  }

  @Test(arguments: ["pt", "flax", nil])
  func valuesUnderTheWrongNamesAreCaughtByTheirShapes(format: String?) throws {
    let path = try renamed(format: format)
    for target in ["safetensors", "store", "npz", "mesh-transformer"] {
      let error = failure(of: request(path, workspace.path("out")) { $0.format = target })
      #expect(error?.code == .malformed, "\(target)")
      #expect(!workspace.has("out"))
      if target != "mesh-transformer" {
        #expect(
          error?.message.contains("transposed") == true && error?.message.contains("4 more") == true
        )
        #expect(error?.tensor == "transformer.h.0.mlp.fc_in.weight" && error?.hint != nil)
      }
    }
    let report = try Verifier(path, OpenOptions(), smallResources).run(against: nil)
    let errors = report.findings.filter { $0.severity == .error }
    #expect(errors.count == 5)
    #expect(
      errors.allSatisfy { $0.check == "tensor-transposed" })
    let warnings = report.findings.filter { $0.severity == .warning }
    #expect(warnings.map(\.check) == (format == "flax" ? ["format-metadata"] : []))
  }

  @Test(arguments: ["gptj_tf", "gptj_flax", "gpt2_tf", "gpt2_flax", "llama_flax"])
  func thoseAsSavedPassEveryCheck(name: String) throws {
    let folder = Fixtures.path("foreign/\(name)")
    try convert(folder, workspace.path("out"))
    for (path, other) in [(folder, workspace.path("out")), (workspace.path("out"), folder)] {
      let report = try Verifier(path, OpenOptions(), smallResources).run(against: Source(other))
      #expect(report.findings.isEmpty)
    }
  }

  @Test func tensorsWithoutOneNamingAreAFindingOfVerify() throws {
    let path = Fixtures.path("bad/naming/bad_flax_and_pytorch.safetensors")
    let other = try Source(Fixtures.path("huggingface/gptj"))
    let report = try Verifier(path, OpenOptions(), smallResources).run(against: other)
    #expect(report.findings.contains { $0.check == "parameter-names" && $0.severity == .error })
    #expect(report.findings.contains { $0.check == "against-names" && $0.severity == .error })
  }
}
