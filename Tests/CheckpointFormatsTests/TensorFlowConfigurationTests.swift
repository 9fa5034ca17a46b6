import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// What configurations beside TensorFlow checkpoints become.
@Suite struct TensorFlowConfigurationTests {
  private static let neo = """
    "n_head": 5, "n_vocab": 250, "n_embd": 40, "n_layer": 3, "n_ctx": 40, "lr": 0.0002,
    "attention_types": [[["global", "local"], 1], [["local"], 1]], "eos_id": 249, "res_dropout": 0.1,
    """

  private let workspace: Workspace

  init() throws { workspace = try Workspace() }

  private func source(_ name: String, _ file: String, _ text: String?) throws -> Source {
    let folder = UUID().uuidString
    try workspace.copy(Fixtures.path("tensorflow/\(name)"), to: folder)
    try FileManager.default.removeItem(atPath: workspace.path("\(folder)/\(file)"))
    if let text { try workspace.write("\(folder)/\(file)", Data(text.utf8)) }
    return try Source(workspace.path(folder))
  }

  @Test func gptNeosOwnBecomesHuggingFaces() throws {
    let source = try source("gpt_neo", "config.json", "{\(Self.neo) \"moe_layers\": null}")
    let made = try JSONValue(parsing: #require(try source.huggingFaceConfiguration()))
    #expect(made["model_type"]?.text == "gpt_neo")
    #expect(made["activation_function"]?.text == "gelu_new")
    #expect(
      made["attention_layers"]?.elements?.compactMap(\.text) == ["global", "local", "local"])
    for (key, value) in [
      ("hidden_size", 40), ("num_heads", 5), ("num_layers", 3), ("window_size", 256),
      ("max_position_embeddings", 40), ("vocab_size", 250), ("eos_token_id", 249),
    ] { #expect(made[key]?.integer == value, "\(key)") }
    #expect(made["torch_dtype"]?.text == "bfloat16")
    #expect(made["resid_dropout"]?.double == 0.1)
    let expected = try Source(Fixtures.path("tensorflow/gpt_neo")).reader.canonicalTensors()
    #expect(try source.reader.canonicalTensors() == expected)
  }

  @Test(
    arguments: [
      ("\"rotary_emb\": true", "rotary_emb"), ("\"axial_pos_emb\": [4, 10]", "axial_pos_emb"),
      ("\"mlp_glu\": true", "mlp_glu"), ("\"scalenorm\": true", "scalenorm"),
      ("\"rezero\": true", "rezero"), ("\"macaron\": true", "macaron"),
      ("\"moe_layers\": [1]", "moe_layers"), ("\"share_parameters\": true", "share_parameters"),
      ("\"no_weight_tie\": true", "no_weight_tie"), ("\"num_mem_kv\": 4", "num_mem_kv"),
      ("\"activation_function\": \"relu\"", "activation_function"),
      ("\"activation_fn\": \"mish\"", "activation_fn"),
    ])
  func settingsThatTransformersDoesntComputeAreRefusedByName(
    _ setting: String, _ key: String
  ) throws {
    let source = try source("gpt_neo", "config.json", "{\(Self.neo) \(setting)}")
    let error = #expect(throws: CheckpointError.self) { try source.huggingFaceConfiguration() }
    #expect(error?.code == .unsupported && error?.expected?.contains("'\(key)'") == true)
    #expect(error?.file == "config.json")
  }

  @Test(arguments: ["linear", "none"]) func soAreOtherKindsOfAttention(_ kind: String) throws {
    let text = Self.neo.replacing("[\"local\"], 1", with: "[\"\(kind)\"], 1")
    let source = try source(
      "gpt_neo", "config.json",
      "{\(text) \"lr\": 1}".replacing(
        "\"lr\": 0.0002,", with: ""))
    let error = #expect(throws: CheckpointError.self) { try source.huggingFaceConfiguration() }
    #expect(error?.code == .unsupported && error?.found?.contains(kind) == true)
  }

  @Test func aWrongNumberOfLayersOrTokensIsAnError() throws {
    for (old, new, code, word) in [
      ("\"n_layer\": 3", "\"n_layer\": 4", CheckpointError.Code.usage, "attention_types"),
      ("\"n_vocab\": 250", "\"n_vocab\": 300", .malformed, "gpt2/wte"),
      ("\"n_head\": 5, ", "", .usage, "n_head"),
    ] {
      let text = "{\(Self.neo.replacing(old, with: new)) \"x\": 0}"
      let error = #expect(throws: CheckpointError.self) {
        try source("gpt_neo", "config.json", text).huggingFaceConfiguration()
      }
      #expect(error?.code == code && error?.description.contains(word) == true, "\(word)")
    }
  }

  @Test func gpt2sHparamsBecomeHuggingFaces() throws {
    let source = try Source(Fixtures.path("tensorflow/gpt2"))
    let made = try JSONValue(parsing: #require(try source.huggingFaceConfiguration()))
    for (key, value) in [
      ("n_embd", 32), ("n_head", 2), ("n_layer", 2), ("n_positions", 24), ("vocab_size", 130),
    ] { #expect(made[key]?.integer == value, "\(key)") }
    #expect(made["activation_function"]?.text == "gelu_new")
    #expect(source.inputs.contains { $0.name == "hparams.json" })
  }

  @Test(arguments: [("gpt2", "hparams.json"), ("gpt_neo", "config.json")])
  func withoutOneItIsAskedForWithWhatShapesProve(_ name: String, _ file: String) throws {
    let source = try source(name, file, nil)
    #expect(source.architectureName == name)
    let error = #expect(throws: CheckpointError.self) { try source.huggingFaceConfiguration() }
    let text = error?.hintLines.joined() ?? ""
    #expect(error?.code == .usage && text.contains("\"n_head\": null"))
    #expect(text.contains(name == "gpt2" ? "\"n_layer\": 2" : "\"n_layer\": 3"))
    #expect(try source.model().tensors.count == (name == "gpt2" ? 28 : 43))
  }

  @Test func oneOfAnotherFamilyIsRefused() throws {
    let source = try source("gpt2", "hparams.json", "{\"model_type\": \"llama\"}")
    let error = #expect(throws: CheckpointError.self) { try source.huggingFaceConfiguration() }
    #expect(error?.code == .usage && error?.found == "llama")
  }
}
