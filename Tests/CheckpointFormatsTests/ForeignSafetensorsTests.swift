import CheckpointFormats
import Foundation
import TensorModel
import TestSupport
import Testing

/// Safetensors of TensorFlow and Flax, and such whose metadata is wrong about them.
@Suite struct ForeignSafetensorsTests {
  private static let originals = [
    "gpt2_tf": "gpt2_inverse_layer", "gpt2_flax": "gpt2_inverse_layer",
    "llama_flax": "llama_rope_linear", "gpt_neo_flax": "gpt_neo", "gptj_tf": "", "gptj_flax": "",
  ]

  @Test func allFixturesAreKnown() {
    let folders = Fixtures.names(in: "foreign").filter { !$0.contains(".") }
    #expect(Set(folders) == Set(Self.originals.keys))
    #expect(Fixtures.cases("bad/naming").count == 18)
  }

  @Test(arguments: originals.keys.sorted())
  func haveTheNamesAndShapesOfPyTorch(_ name: String) throws {
    let source = try Source(Fixtures.path("foreign/\(name)"))
    let naming = name.hasSuffix("_tf") ? "TensorFlow" : "Flax"
    #expect(source.checkpoint.layout == "one file, \(naming) names")
    #expect(source.checkpoint.findings.isEmpty)
    let canonical = try source.reader.canonicalTensors()
    #expect(canonical.count == source.checkpoint.tensors.count)
    guard let original = Self.originals[name], !original.isEmpty else { return }
    let expected = try Source(Fixtures.path("huggingface/\(original)")).checkpoint
    for tensor in canonical {
      #expect(
        expected.type(of: tensor.name) == TensorType(tensor.dtype, tensor.shape), "\(tensor.name)")
    }
    let isPart = name == "gpt_neo_flax"
    #expect(isPart || canonical.count == expected.tensors.count)
  }

  @Test(arguments: Fixtures.cases("bad/naming"))
  func getTheirVerdict(file: Fixtures.Case) throws {
    let source = try Source(file.path)
    let findings = source.checkpoint.findings
    switch file.verdict {
    case "accept":
      #expect(findings.isEmpty)
      let names = try source.reader.canonicalTensors().map(\.name)
      #expect(names == source.checkpoint.tensors.map(\.name))
    case "warn":
      #expect(findings.map(\.check) == ["format-metadata"])
      let names = try source.reader.canonicalTensors().map(\.name)
      #expect(names.allSatisfy { $0.hasSuffix(".weight") || $0.hasSuffix(".bias") })
    default:
      #expect(findings.map(\.check) == ["parameter-names"])
      let error = #expect(throws: CheckpointError.self) {
        try source.reader.canonicalTensors()
      }
      #expect(error?.file != nil && error?.tensor != nil)
      #expect((findings.first?.severity == .error) == (error?.code == .malformed))
    }
  }

  @Test func shardsOfDifferentNamingsAreRefused() throws {
    let workspace = try Workspace()
    let parts = [
      SafetensorsSample([SampleTensor("a.kernel", [2, 1], floats: [1, 2])]),
      SafetensorsSample([SampleTensor("b.weight", [1, 2], floats: [3, 4])]),
    ]
    let files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for (file, part) in zip(files, parts) {
      var part = part
      part.metadata["format"] = "flax"
      try workspace.write("m/\(file)", part.fileContents)
    }
    let index = ["weight_map": ["a.kernel": files[0], "b.weight": files[1]]]
    try workspace.write(
      "m/model.safetensors.index.json", JSONSerialization.data(withJSONObject: index))
    let source = try Source(workspace.path("m"))
    #expect(throws: CheckpointError.self) { try source.reader.canonicalTensors() }
  }
}
