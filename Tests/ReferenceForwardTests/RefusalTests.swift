import CheckpointFormats
import Foundation
import ModelArchitectures
import ReferenceForward
import TensorModel
import TestSupport
import Testing

/// What can't be computed is refused, by name.
@Suite struct RefusalTests {
  @Test(arguments: [-1, 400, 1 << 40])
  func tokensThatDontExistAreAnError(token: Int) throws {
    let decoder = try Model.named("gptj").decoder()
    let error = failure { try decoder.allLogits([[1, token, 2]]) }
    #expect(error?.code == .usage)
    #expect(error?.found == "\(token)")
    #expect(error?.expected?.contains("399") == true)
  }

  @Test func moreTokensThanLearnedPositionsAreAnError() throws {
    let decoder = try Model.named("gpt2_inverse_layer").decoder()
    _ = try decoder.allLogits([Array(repeating: 1, count: 32)])
    let error = failure { try decoder.allLogits([Array(repeating: 1, count: 33)]) }
    #expect(error?.code == .usage)
    #expect(error?.expected?.contains("32") == true)
    let late = failure { try Generation(decoder).tokens(after: [1, 2], 40) }
    #expect(late?.code == .usage)
  }

  @Test func dynamicScalingIsRefusedBeyondTheLengthUpToWhichItDoesNothing() throws {
    let workspace = try Workspace()
    var sample = try ModelSample("llama_rope_linear")
    let scaling: [String: Any] = ["rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0]
    sample.configuration["rope_parameters"] = scaling
    sample.configuration["max_position_embeddings"] = 16
    let decoder = try decoder(at: sample.write(workspace, "model"))
    _ = try decoder.allLogits([Array(repeating: 1, count: 16)])
    let error = failure { try decoder.allLogits([Array(repeating: 1, count: 17)]) }
    #expect(error?.summary.contains("dynamic") == true)
  }

  @Test(arguments: ["gptj", "gpt2", "gpt_neo", "gpt_neox", "llama_biases", "qwen2_tied"])
  func everyMissingTensorIsAnError(name: String) throws {
    let workspace = try Workspace()
    let whole = try ModelSample(name)
    for (index, tensor) in whole.tensors.tensors.enumerated() {
      var sample = whole
      sample.tensors.tensors.remove(at: index)
      let path = try sample.write(workspace, "model")
      let error = failure { try decoder(at: path) }
      #expect(error?.code == .missing, "\(tensor.name)")
      #expect(error?.tensor == tensor.name)
    }
  }

  @Test(arguments: ["gptj", "gpt2", "llama_biases", "qwen2_tied"])
  func everyWrongShapeIsAnError(name: String) throws {
    let workspace = try Workspace()
    let whole = try ModelSample(name)
    for (index, tensor) in whole.tensors.tensors.enumerated() {
      var sample = whole
      var shape = tensor.shape
      shape[0] -= 1
      let count = shape.reduce(4, *)
      sample.tensors.tensors[index].shape = shape
      sample.tensors.tensors[index].data = tensor.data.prefix(count)
      let path = try sample.write(workspace, "model")
      let error = failure { try decoder(at: path) }
      #expect(error?.code == .malformed, "\(tensor.name)")
      #expect(error?.tensor == tensor.name)
      #expect(error?.found == "\(Shape(shape))")
    }
  }

  @Test func weightsThatAreNoFloatsAreAnError() throws {
    let workspace = try Workspace()
    var sample = try ModelSample("gpt2")
    let index = try #require(
      sample.tensors.tensors.firstIndex { $0.name == "transformer.ln_f.weight" })
    sample.tensors.tensors[index].dtype = "I32"
    let path = try sample.write(workspace, "model")
    let error = failure { try decoder(at: path) }
    #expect(error?.code == .unsupported)
    #expect(error?.tensor == "transformer.ln_f.weight")
  }

  @Test func aCheckpointWithoutConfigurationAsksForOne() throws {
    let workspace = try Workspace()
    let path = try workspace.copy(
      Fixtures.path("huggingface/gpt2/model.safetensors"), to: "alone.safetensors")
    let error = failure { try decoder(at: path) }
    #expect(error?.code == .usage)
    #expect(error?.hint?.contains("--config") == true)
  }

  @Test func tensorsThatAreNotUsedAreAFinding() throws {
    let workspace = try Workspace()
    var sample = try ModelSample("llama_rope_linear")
    #expect(try decoder(at: sample.write(workspace, "whole")).weights.findings.isEmpty)
    sample.tensors.tensors += [
      SampleTensor(
        "model.layers.0.self_attn.rotary_emb.inv_freq", [4], floats: [1, 0.1, 0.01, 0.001]),
      SampleTensor("model.layers.0.self_attn.extra.bias", [2], floats: [1, 2]),
    ]
    let findings = try decoder(at: sample.write(workspace, "more")).weights.findings
    #expect(findings.map(\.check) == ["unused-tensors"])
    #expect(findings.first?.message.hasPrefix("1 tensor is no part") == true)
    #expect(findings.first?.message.contains("extra.bias") == true)
    // What another configuration computes with isn't passed over.
    sample.tensors.tensors.append(
      SampleTensor("model.layers.0.self_attn.q_proj.bias", [2], floats: [1, 2]))
    let error = failure { try decoder(at: sample.write(workspace, "biased")) }
    #expect(error?.tensor == "model.layers.0.self_attn.q_proj.bias")
  }
}
