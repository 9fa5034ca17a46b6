import Foundation
import TestSupport
import Testing

/// Files with names of TensorFlow and Flax, right and wrong.
@Suite struct ForeignNamesTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  @Test(arguments: [("gpt2_tf", "TensorFlow"), ("gpt2_flax", "Flax")])
  func areInspectedAndComparedAsTheyAre(name: String, naming: String) throws {
    let file = fixture("foreign/\(name)")
    let text = try Weighbridge.run("inspect", file).text
    #expect(text.contains("safetensors, one file, \(naming) names\n"))
    let comparison = try Weighbridge.run(
      "compare", file, fixture("huggingface/gpt2_inverse_layer"), "--forward")
    #expect(comparison.code == 0)
    #expect(comparison.text.contains("identical"))
  }

  @Test func ofBadFilesHaveTheirVerdict() throws {
    for file in Fixtures.cases("bad/naming") {
      let out = workspace.path("out")
      #expect(try Weighbridge.run("inspect", file.path, "--digests").code == 0, "\(file)")
      let outcome = try Weighbridge.run("convert", file.path, out, "--to", "safetensors")
      #expect(outcome.code == (file.verdict == "reject" ? 2 : 0), "\(file)")
      #expect(outcome.errors.contains("[format-metadata]") == (file.verdict == "warn"), "\(file)")
      #expect(workspace.has("out") == (file.verdict != "reject"), "\(file)")
      if workspace.has("out") { try workspace.remove("out") }
    }
  }

  @Test func aFileThatWasOnlyRenamedIsRefusedAndFailsVerify() throws {
    var sample = try ModelSample(folder: "foreign/llama_flax")
    for index in sample.tensors.tensors.indices {
      let name = sample.tensors.tensors[index].name
      sample.tensors.tensors[index].name = name.replacing("kernel", with: "weight")
        .replacing("embedding", with: "weight")
    }
    let path = try sample.write(workspace, "renamed")
    let conversion = try Weighbridge.run(
      "convert", path, workspace.path("out"), "--to", "safetensors")
    #expect(conversion.code == 2)
    #expect(conversion.errors.contains("look like another framework's"))
    #expect(conversion.errors.contains("hint: "))
    let report = try Weighbridge.run("verify", path)
    #expect(report.code == 1)
    #expect(report.text.contains("look like another framework's"))
    #expect(report.text.contains("[format-metadata]"))
  }
}
