import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// What the tokens of a GGUF file become, and what no GGUF file is made of.
@Suite struct GGUFRefusalTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  // MARK: Tokenizers

  @Test func tokensHaveTheirKinds() throws {
    try convert(workspace.toGGUF("qwen2_tied"))
    let header = try workspace.ggufHeader()
    let tokens = try #require(header["tokenizer.ggml.tokens"]?.array?.texts)
    let kinds = try #require(header["tokenizer.ggml.token_type"]?.array?.values)
    #expect(tokens.count == 71 && kinds.count == 71)
    #expect(Array(tokens[25...30]) == ["z", "ab", "<|end|>", "<mine>", "[PAD29]", "[PAD30]"])
    #expect(kinds[25...30].map(\.integer) == [1, 1, 3, 4, 5, 5])
    #expect(header["tokenizer.ggml.merges"]?.array?.texts == ["a b"])
    #expect(header["tokenizer.ggml.eos_token_id"] == .unsigned(27, .uint32))
    #expect(header["tokenizer.ggml.bos_token_id"] == nil)
    #expect(header["tokenizer.ggml.model"]?.text == "gpt2")
    #expect(header["tokenizer.ggml.pre"]?.text == "gpt-2")
    #expect(header["tokenizer.ggml.add_bos_token"] == .bool(false))
  }

  @Test func withoutATokenizerTheHintSaysHowToAddOne() throws {
    let error = failure(of: workspace.toGGUF("qwen2_tied") { $0.openOptions.assetsDirectory = nil })
    #expect(error?.code == .missing && error?.hint?.contains("--assets") == true)
    #expect(workspace.names().isEmpty)
  }

  @Test func tokenizersHaveToFit() throws {
    let large = failure(
      of: workspace.toGGUF("qwen2_tied") {
        $0.openOptions.assetsDirectory = Fixtures.path("tokenizer/qwen2")
      })
    #expect(large?.code == .malformed && large?.expected == "at most 71")
    let text = String(decoding: try Fixtures.bytes("gguf/tokenizer/tokenizer.json"), as: UTF8.self)
    let spaced = text.replacing(#""add_prefix_space": false"#, with: #""add_prefix_space": true"#)
    #expect(spaced != text)
    try workspace.write("spaced/tokenizer.json", Data(spaced.utf8))
    let error = failure(
      of: workspace.toGGUF("qwen2_tied") {
        $0.openOptions.assetsDirectory = workspace.path("spaced")
      })
    #expect(error?.code == .unsupported && error?.message.contains("tokenizer") == true)
  }

  // MARK: Refusals

  @Test(arguments: [
    ("gpt_neo", "no graph for this family", "not scaled"),
    ("gpt2_inverse_layer", "attention scales that depend on the layer", ""),
    ("qwen2_window", "see only the last tokens", ""),
    ("gemma2_scaled", "query_pre_attn_scalar", ""),
    ("qwen3_moe_dense", "mlp_only_layers", ""),
    ("falcon_alibi", "alibi", ""),
  ])
  func saysWhatNoGraphComputes(_ name: String, _ reason: String, _ hint: String) throws {
    let error = failure(of: workspace.toGGUF(name))
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    #expect(hint.isEmpty || error?.hint?.contains(hint) == true)
    #expect(!workspace.has("x.gguf"))
  }

  /// Settings that llama.cpp stops at, or takes for others.
  @Test(arguments: [
    ("gemma2", "layer_types", "a layer with a window"),
    ("gpt_oss", "layer_types", "a layer with a window"),
    ("granite", "attention_multiplier", "a factor of 0 (attention_multiplier)"),
    ("granite", "embedding_multiplier", "a factor of 0 (embedding_multiplier)"),
    ("granite", "residual_multiplier", "a factor of 0 (residual_multiplier)"),
  ])
  func settingsThatStopLlamaAreRefused(_ name: String, _ key: String, _ text: String) throws {
    var sample = try ModelSample(name)
    if let types = sample.configuration[key] as? [String] {
      sample.configuration[key] = types.map { _ in "full_attention" }
    } else {
      sample.configuration[key] = 0.0
    }
    let error = try failure(of: workspace.toGGUF(sample.write(workspace, "model")))
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
  }

  /// Families of which only the tensors are known: that is why, not that they aren't run.
  @Test func familiesKnownByNameAreNotWritten() throws {
    let fixture = try JSONValue(parsing: Fixtures.bytes("later/phimoe.json"))
    let tensors = try #require(fixture["saved"]?.members).map { member in
      let shape = (member.value.elements ?? []).compactMap(\.integer)
      return SampleTensor(
        member.key, shape, floats: Array(repeating: 0, count: shape.reduce(1, *)))
    }
    try workspace.write("later/model.safetensors", SafetensorsSample(tensors).fileContents)
    try workspace.write(
      "later/config.json", Data(try #require(fixture["config"]).documentText.utf8))
    let error = failure(of: workspace.toGGUF(workspace.path("later")))
    #expect(error?.code == .unsupported && error?.found == "phimoe")
    #expect(error?.message.contains("GGUF isn't written for this family") == true)
    #expect(error?.hint?.contains("--to store") == true)
  }

  /// The settings that stand in the way are named, and no others.
  @Test func biasesThatTheGraphHasNotAreNamed() throws {
    var sample = try ModelSample("qwen3")
    sample.configuration["attention_bias"] = true
    for tensor in sample.tensors.tensors where tensor.name.contains("_proj.weight") {
      guard tensor.name.contains("self_attn") else { continue }
      sample.tensors.tensors.append(
        SampleTensor(
          tensor.name.replacing("weight", with: "bias"), [tensor.shape[0]],
          floats: Array(repeating: 0, count: tensor.shape[0])))
    }
    let error = try failure(of: workspace.toGGUF(sample.write(workspace, "model")))
    #expect(error?.message.contains("attention_bias") == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("mlp_bias") == false)
  }

  @Test(arguments: ["gemma2", "gemma3_text"])
  func anUntiedHeadIsNamedWhereTheGraphHasNone(_ name: String) throws {
    var sample = try ModelSample(name)
    sample.configuration["tie_word_embeddings"] = false
    var head = try #require(sample.tensors["model.embed_tokens.weight"])
    head.name = "lm_head.weight"
    sample.tensors.tensors.append(head)
    let error = try failure(of: workspace.toGGUF(sample.write(workspace, "model")))
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("tie_word_embeddings") == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("bias") == false)
  }

  @Test(arguments: [("gptj", "activation_function"), ("llama", "hidden_act")])
  func otherActivationsAreRefused(_ name: String, _ key: String) throws {
    var sample = try ModelSample(name)
    sample.configuration[key] = "relu"
    let error = try failure(of: workspace.toGGUF(sample.write(workspace, "model")))
    #expect(error?.code == .unsupported && error?.message.contains("'relu'") == true)
  }

  @Test func prefixAttentionHasToBeGivenUp() throws {
    let model = try ModelSample.withPrefix().write(workspace, "prefix")
    let error = failure(of: workspace.toGGUF(model))
    #expect(error?.code == .usage && error?.hint?.contains("--attention causal") == true)
    let outcome = try convert(workspace.toGGUF(model) { $0.openOptions.attention = .causal })
    #expect(outcome.certificate.findings.contains { $0.check == "attention-given-up" })
    try convert(workspace.toGGUF("gptj", "plain.gguf"))
    #expect(
      try contents(of: workspace.path("x.gguf")) == contents(of: workspace.path("plain.gguf")))
  }

  @Test func aSourceWithoutConfigurationNeedsOne() throws {
    let source = Fixtures.path("huggingface/qwen2_tied/model.safetensors")
    let error = failure(of: workspace.toGGUF(source))
    #expect(error?.code == .usage && error?.hint?.contains("--config") == true)
  }

  @Test func tensorsThatAreMissingAreNamed() throws {
    var sample = try ModelSample("qwen2_tied")
    sample.tensors.tensors.removeAll { $0.name == "model.layers.1.mlp.up_proj.weight" }
    let error = try failure(of: workspace.toGGUF(sample.write(workspace, "model")))
    #expect(error?.code == .missing && error?.tensor == "model.layers.1.mlp.up_proj.weight")
  }

  @Test func differencesAreFindings() throws {
    let window = try convert(workspace.toGGUF("mistral_window")).certificate.findings
    #expect(window.contains { $0.check == "gguf-window" && $0.severity == .warning })
    let gelu = try convert(workspace.toGGUF("gpt_neox", "y.gguf")).certificate.findings
    #expect(gelu.contains { $0.check == "gguf-gelu" && $0.severity == .note })
  }

}
