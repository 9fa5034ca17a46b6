import CheckpointConversion
import CheckpointFormats
import Foundation
import TensorModel
import TestSupport
import Testing

/// Configurations that say something else of single layers than these are.
@Suite struct LayerClaimTests {
  private static let layer = "model.layers.0.self_attn.k_proj"

  /// A copy of a fixture, changed, with other tensors beside its only layer.
  private func folder(
    _ name: String, in room: borrowing Workspace, replacing old: String = "", with new: String = "",
    plain: [String] = []
  ) throws -> String {
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == name })
    var sample = try golden.sample()
    for name in plain {
      sample.tensors.append(SampleTensor(name + ".weight", [2, 2], floats: [1, 2, 3, 4]))
    }
    let folder = try golden.copy(sample, in: room)
    let path = URL(filePath: "\(folder)/config.json")
    let text = try String(contentsOf: path, encoding: .utf8)
    #expect(old.isEmpty || text.contains(old))
    try Data((old.isEmpty ? text : text.replacing(old, with: new)).utf8).write(to: path)
    return folder
  }

  private func claims(_ folder: String) throws -> [CheckpointError] {
    try Source(folder).model().problems.filter { $0.check == "quantization-claim" }.map(\.error)
  }

  // MARK: Codes that are said to be none

  @Test(arguments: [
    ("ct_llama_w4a16_g128", "\"lm_head\"", "\"lm_head\", \"\(layer)\""),
    ("ct_llama_fp8_dynamic", "\"lm_head\"", #""lm_head", "re:.*k_proj""#),
    ("awq_llama", "\"modules_to_not_convert\": null", #""modules_to_not_convert": ["k_proj"]"#),
    ("awq_llama", "\"modules_to_not_convert\": null", #""modules_to_not_convert": ["model"]"#),
    (
      "bnb_nf4_llama", "\"llm_int8_skip_modules\": null",
      "\"llm_int8_skip_modules\": [\"\(layer)\"]"
    ),
    (
      "fp8_block_qwen2", "\"fmt\"",
      #""modules_to_not_convert": ["model.layers.0.self_attn"], "fmt""#
    ),
    (
      "fp8_block_qwen2", "\"fmt\"",
      #""modules_to_not_convert": ["model.layers.*.self_attn"], "fmt""#
    ),
    ("gptq_v1_llama", "\"desc_act\"", #""dynamic": {"-:.*k_proj": {}}, "desc_act""#),
    (
      "gptq_v1_llama", "\"desc_act\"",
      #""modules_in_block_to_quantize": [["self_attn.q_proj"]], "desc_act""#
    ),
    ("mlx_llama_q4_g64", "\"group_size\"", "\"\(layer)\": false, \"group_size\""),
    (
      "gpt_oss_mxfp4", "\"quant_method\"",
      #""ignored_layers": ["model.layers.*.mlp.experts"], "quant_method""#
    ),
  ])
  func codesThatAreSkippedAreAnError(_ name: String, _ old: String, _ new: String) throws {
    let room = try Workspace()
    let errors = try claims(folder(name, in: room, replacing: old, with: new))
    #expect(errors.count == 1)
    let error = try #require(errors.first)
    #expect(error.tensor?.hasPrefix("model.layers.0.") == true, "\(error)")
    #expect(error.message.contains("says that the layer isn't quantized, and it is"))
  }

  /// Parts of names are no names of layers, and lists may name layers that aren't there.
  @Test(arguments: [
    ("ct_llama_w4a16_g128", "\"lm_head\"", #""lm_head", "k_proj", "model", "re:k_proj""#),
    ("awq_llama", "\"modules_to_not_convert\": null", #""modules_to_not_convert": ["k", "proj"]"#),
    ("gptq_v1_llama", "\"desc_act\"", #""dynamic": {"-:.*q_proj": {}}, "desc_act""#),
    (
      "gptq_v1_llama", "\"desc_act\"",
      #""modules_in_block_to_quantize": ["self_attn.k_proj"], "desc_act""#
    ),
  ])
  func otherLayersMayBeSkipped(_ name: String, _ old: String, _ new: String) throws {
    let room = try Workspace()
    #expect(try claims(folder(name, in: room, replacing: old, with: new)).isEmpty)
  }

  // MARK: Plain weights that are said to be codes

  @Test(arguments: [
    "ct_llama_w4a16_g128", "ct_llama_fp8_dynamic", "awq_llama", "bnb_nf4_llama",
    "fp8_block_qwen2", "gptq_v1_llama",
  ])
  func theSameLayerOfAnotherBlockHasCodes(_ name: String) throws {
    let room = try Workspace()
    let plain = Self.layer.replacing("0", with: "1")
    let path = try folder(name, in: room, plain: [plain, Self.layer.replacing("0", with: "2")])
    let errors = try claims(path)
    #expect(errors.map(\.tensor) == [plain + ".weight"])
    #expect(errors.first?.message.contains("so with 1 other layer") == true)
    // What lies behind the model's blocks is often left as it is.
    let beyond = try folder(
      name, in: room, replacing: "{\n \"quantization_config\"",
      with: "{\"num_hidden_layers\": 1, \"quantization_config\"", plain: [plain])
    #expect(try claims(beyond).isEmpty)
  }

  @Test(arguments: [
    ("ct_llama_w4a16_g128", "\"lm_head\"", #""lm_head", "re:.*layers[.]1[.]""#),
    ("ct_llama_w4a16_g128", "\"lm_head\"", #""language_model.model.layers.1.self_attn.k_proj""#),
    ("awq_llama", "\"modules_to_not_convert\": null", #""modules_to_not_convert": ["layers.1."]"#),
    (
      "bnb_nf4_llama", "\"llm_int8_skip_modules\": null",
      #""llm_int8_skip_modules": ["model.layers.1.self_attn"]"#
    ),
    ("gptq_v1_llama", "\"desc_act\"", #""dynamic": {"-:model.layers.1.*": {}}, "desc_act""#),
  ])
  func plainLayersMayBeSkipped(_ name: String, _ old: String, _ new: String) throws {
    let room = try Workspace()
    let plain = Self.layer.replacing("0", with: "1")
    #expect(
      try claims(folder(name, in: room, replacing: old, with: new, plain: [plain])).isEmpty)
  }

  /// Embeddings, what chooses experts, and the towers of other modes are plain as a rule.
  @Test(arguments: ["ct_llama_w4a16_g128", "awq_llama", "gptq_v1_llama", "fp8_block_qwen2"])
  func whatIsPlainAsARuleMayBe(_ name: String) throws {
    let room = try Workspace()
    let plain = [
      "model.embed_tokens", "model.layers.0.mlp.gate", "model.layers.0.mlp.shared_expert_gate",
      "visual.blocks.0.attn.q_proj", "model.visual.blocks.0.mlp.down_proj", "lm_head",
    ]
    let model = try Source(folder(name, in: room, plain: plain)).model()
    #expect(!model.problems.contains { $0.check == "quantization-claim" })
    #expect(!model.findings.contains { $0.check == "quantization-claim" })
  }

  /// Every program quantizes all of a block's linear layers but those that are left out.
  @Test(arguments: ["ct_llama_w4a16_g128", "gptq_v1_llama", "awq_llama", "fp8_block_qwen2"])
  func linearLayersHaveCodes(_ name: String) throws {
    let room = try Workspace()
    let plain = "model.layers.1.mlp.down_proj"
    let errors = try claims(folder(name, in: room, plain: [plain]))
    #expect(errors.map(\.tensor) == [plain + ".weight"])
  }

  @Test func aClassMeansAllLinearLayers() throws {
    let room = try Workspace()
    let plain = "model.layers.1.mlp.down_proj"
    // Which layers are of a class that is left out isn't known.
    #expect(
      try claims(
        folder(
          "ct_llama_w4a16_g128", in: room, replacing: "\"lm_head\"", with: "\"LlamaMLP\"",
          plain: [plain])
      ).isEmpty)
  }

  /// Some programs take the head for one of the linear layers, others don't.
  @Test func aHeadThatIsNotIgnoredIsAWarning() throws {
    for (tie, count) in [("false", 1), ("true", 0)] {
      let room = try Workspace()
      let path = try folder(
        "ct_llama_w4a16_g128", in: room, replacing: "\"ignore\": [\n   \"lm_head\"\n  ]",
        with: "\"ignore\": []", plain: ["lm_head"])
      let file = URL(filePath: "\(path)/config.json")
      let text = try String(contentsOf: file, encoding: .utf8)
      try Data(("{\"tie_word_embeddings\": \(tie), " + text.dropFirst()).utf8).write(to: file)
      let model = try Source(path).model()
      #expect(!model.problems.contains { $0.check == "quantization-claim" })
      let warnings = model.findings.filter { $0.check == "quantization-claim" }
      #expect(warnings.count == count)
      #expect(warnings.allSatisfy { $0.severity == .warning && $0.tensor == "lm_head.weight" })
    }
  }

  @Test(arguments: [
    (
      "ct_llama_w4a16_g128", "\"Linear\"", "\"Linear\", \"model.layers.0.mlp.gate\"",
      "model.layers.0.mlp.gate"
    ),
    ("gptq_v1_llama", "\"lm_head\": false", "\"lm_head\": true", "lm_head"),
    (
      "gptq_v1_llama", "\"desc_act\"",
      #""modules_in_block_to_quantize": ["self_attn.k_proj", "mlp.up_proj"], "desc_act""#,
      "model.layers.0.mlp.up_proj"
    ),
    (
      "mlx_llama_q4_g64", "\"group_size\": 64",
      #""group_size": 64, "lm_head": {"bits": 8, "group_size": 64}"#, "lm_head"
    ),
  ])
  func aPlainLayerThatIsNamedIsAnError(
    _ name: String, _ old: String, _ new: String, _ plain: String
  ) throws {
    let room = try Workspace()
    let path = try folder(name, in: room, replacing: old, with: new, plain: [plain])
    let file = URL(filePath: "\(path)/config.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    try Data(("{\"tie_word_embeddings\": false, " + text.dropFirst()).utf8).write(to: file)
    #expect(try claims(path).map(\.tensor) == [plain + ".weight"])
  }

  // MARK: Codes of another kind

  @Test(arguments: [
    ("awq_llama", "\"bits\": 4", "\"bits\": 8", "codes of 4 bits"),
    ("bnb_nf4_llama", "\"nf4\"", "\"fp4\"", "nf4"),
    ("ct_gptj_w8a8", "\"type\": \"int\"", "\"type\": \"float\"", "int, I8"),
    ("ct_gptj_w8a8", "\"num_bits\": 8", "\"num_bits\": 4", "codes of 8 bits"),
    ("ct_llama_fp8_dynamic", "\"type\": \"float\"", "\"type\": \"int\"", "float, F8_E4M3"),
    ("ct_llama_mxfp4a16", "\"num_bits\": 4", "\"num_bits\": 8", "codes of 4 bits"),
    (
      "ct_llama_fp8_dynamic", "\"strategy\": \"channel\"", "\"strategy\": \"tensor\"",
      "channel, 64 scales"
    ),
    (
      "ct_fp8_tensor", "\"strategy\": \"tensor\"", "\"strategy\": \"channel\"", "tensor, 1 scale"
    ),
    ("gptq_v1_llama", "\"group_size\": 32", "\"group_size\": 64", "4 groups of 32"),
  ])
  func claimsAreComparedWithShapes(
    _ name: String, _ old: String, _ new: String, _ found: String
  ) throws {
    let room = try Workspace()
    let errors = try claims(folder(name, in: room, replacing: old, with: new))
    #expect(errors.count == 1)
    #expect(errors.first?.tensor?.hasPrefix("model.layers.0.") == true || name.contains("gptj"))
    #expect(errors.first?.found?.contains(found) == true, "\(errors)")
  }

  @Test(arguments: [
    (
      "gptq_v1_llama", "\"bits\": 4", "\"bits\": 8", "codes of 4 bits", "'bits' in config.json to 4"
    ),
    (
      "ct_llama_w4a16_g128", "\"num_bits\": 4", "\"num_bits\": 8", "codes of 4 bits",
      "'num_bits' in config.json to 4"
    ),
    (
      "mlx_llama_q4_g64", "\"bits\": 4", "\"bits\": 8",
      "affine, 8 bits in groups of 32; or affine, 4 bits in groups of 64; or affine, 2 bits in groups of 128",
      "'group_size' in config.json to 32, or 'bits' in config.json to 4"
    ),
    (
      "mlx_llama_mxfp4", "\"bits\": 4", "\"bits\": 8", "mxfp4, 4 bits in groups of 32",
      "'bits' in config.json to 4"
    ),
  ])
  func whatShapesAllowIsSaid(
    _ name: String, _ old: String, _ new: String, _ found: String, _ hint: String
  ) throws {
    let room = try Workspace()
    let problems = try Source(folder(name, in: room, replacing: old, with: new)).model().problems
    let error = try #require(problems.first { $0.check == "quantized-part" }?.error)
    #expect(error.found == found)
    #expect(error.hint?.contains(hint) == true, "\(error)")
  }

  /// GPTQModel's rules: the first that matches counts, and what it doesn't say counts as for all.
  @Test(arguments: [
    (#"{"+:.*k_proj": {"bits": 4, "group_size": 32}, "-:.*": {}}"#, true),
    (#"{".*q_proj": {"bits": 2}, "model[.]layers[.]0": {"bits": 4, "group_size": 32}}"#, true),
    (#"{".*k_proj": {"bits": 4}}"#, false),
    (#"{".*q_proj": {"bits": 4, "group_size": 32}}"#, false),
  ])
  func rulesOfSingleLayersAreRead(_ rules: String, isRight: Bool) throws {
    let room = try Workspace()
    let path = try folder("gptq_v1_llama", in: room)
    let text =
      #"{"quantization_config": {"bits": 8, "group_size": 128, "quant_method": "gptq", "checkpoint_format": "gptq", "desc_act": false, "sym": true, "dynamic": \#(rules)}}"#
    try Data(text.utf8).write(to: URL(filePath: "\(path)/config.json"))
    let model = try Source(path).model()
    #expect(model.problems.isEmpty == isRight)
    guard isRight else { return }
    let golden = try Source(Fixtures.path("quantized/gptq_v1_llama")).model()
    #expect(model.tensors.first?.expression == golden.tensors.first?.expression)
  }
}
