import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// The one check of names, shapes and completeness.
@Suite struct ModelSoundnessTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func model(
    _ name: String = "gptj", _ edit: (inout ModelSample) -> Void
  ) throws -> ModelContents {
    var sample = try ModelSample(name)
    edit(&sample)
    return try Source(sample.write(workspace, "model")).model()
  }

  private func problems(
    _ name: String = "gptj", _ edit: (inout ModelSample) -> Void
  ) throws -> [ModelProblem] { try model(name, edit).problems }

  // MARK: Completeness

  @Test(arguments: ["transformer.h.1.ln_1.bias", "transformer.wte.weight", "lm_head.bias"])
  func missingTensorsAreNamed(name: String) throws {
    let found = try problems { $0.tensors.tensors.removeAll { $0.name == name } }
    #expect(found.map(\.check) == ["tensor-missing"] && found.map(\.error.tensor) == [name])
    #expect(found.allSatisfy { $0.isFatal })
  }

  @Test func allMissingTensorsAreListed() throws {
    let lost = ["transformer.h.0.ln_1.bias", "transformer.h.1.ln_1.bias", "lm_head.bias"]
    let found = try model { $0.tensors.tensors.removeAll { lost.contains($0.name) } }
    #expect(found.problems.map(\.error.tensor) == lost)
    let error = #expect(throws: CheckpointError.self) { try found.requireSound() }
    #expect(error?.message.contains("and 2 more") == true)
  }

  @Test func oneShardOfSeveralIsIncomplete() throws {
    let found = try problems { sample in
      sample.tensors.tensors.removeAll { !$0.name.contains("wte") && !$0.name.contains(".h.0.") }
    }
    #expect(Set(found.map(\.error.code)) == [.missing])
    #expect(found.first?.error.tensor?.hasPrefix("transformer.h.1.") == true)
  }

  @Test func aShardByItselfSaysHowManyThereAre() throws {
    let path = try ModelSample("gptj").write(workspace, "model")
    let shard = "model-00002-of-00008.safetensors"
    try FileManager.default.moveItem(
      atPath: "\(path)/model.safetensors", toPath: "\(path)/\(shard)")
    for place in [path, "\(path)/\(shard)"] {
      let found = try Source(place).model().problems
      #expect(found.map(\.check) == ["shards-missing"])
      #expect(found.first?.error.message == "7 of 8 shards are not here")
    }
  }

  @Test func namesOfAnotherModelAreNoHoles() throws {
    let found = try problems { sample in
      for index in sample.tensors.tensors.indices {
        sample.tensors.tensors[index].name = "x." + sample.tensors.tensors[index].name
      }
    }
    #expect(found.map(\.check) == ["unknown-names"] && found.allSatisfy { !$0.isFatal })
  }

  @Test(
    arguments: [
      "", "module.", "_orig_mod.", "base_model.model.", "module.base_model.model.",
      "module._orig_mod.model.", "model.module._orig_mod.",
    ])
  func wrappersAreLeftOut(wrapper: String) throws {
    let found = try model("llama") { sample in
      for index in sample.tensors.tensors.indices {
        sample.tensors.tensors[index].name = wrapper + sample.tensors.tensors[index].name
      }
    }
    #expect(found.problems.isEmpty)
    #expect(found.tensors.allSatisfy { !$0.name.contains("base_model") })
    #expect(found.findings.map(\.check) == (wrapper.isEmpty ? [] : ["name-prefix"]))
  }

  @Test func adaptersKeepTheirNames() throws {
    let found = try model("llama") { sample in
      for index in sample.tensors.tensors.indices {
        sample.tensors.tensors[index].name =
          "base_model.model." + sample.tensors.tensors[index].name + ".lora_A"
      }
    }
    #expect(found.problems.isEmpty && found.expectedCount == nil)
    #expect(found.tensors.allSatisfy { $0.name.hasPrefix("base_model.model.") })
  }

  @Test func aDifferenceBesideAWholeModelKeepsNoCheckAway() throws {
    let found = try model("llama") { sample in
      var tensor = sample.tensors.tensors[0]
      tensor.name += ".lora_A"
      sample.tensors.tensors.append(tensor)
      sample.tensors.tensors.removeAll { $0.name == "model.norm.weight" }
    }
    #expect(found.problems.map(\.error.tensor) == ["model.norm.weight"])
    #expect(found.findings.map(\.check) == ["tensor-unknown"])
  }

  @Test func twoTensorsOfOnePlaceAreNamed() throws {
    let found = try model("gpt_neox") { sample in
      guard var head = sample.tensors.tensors.first(where: { $0.name == "embed_out.weight" })
      else { return }
      head.name = "lm_head.weight"
      sample.tensors.tensors.append(head)
    }
    #expect(found.problems.isEmpty && found.findings.map(\.check) == ["tensor-twice"])
    #expect(found.findings.first?.tensor == "lm_head.weight")
  }

  /// transformers' classes for questions and answers call the bare model `transformer`.
  @Test(arguments: ["llama", "mistral_window", "qwen2_tied"])
  func questionsAndAnswers(name: String) throws {
    let found = try model(name) { sample in
      sample.configuration["architectures"] = ["LlamaForQuestionAnswering"]
      sample.tensors.tensors.removeAll { $0.name == "lm_head.weight" }
      for index in sample.tensors.tensors.indices {
        sample.tensors.tensors[index].name.replace(
          "model.", with: "transformer.", maxReplacements: 1)
      }
      var head = sample.tensors.tensors[0]
      head.name = "qa_outputs.weight"
      sample.tensors.tensors.append(head)
    }
    #expect(found.problems.isEmpty && found.findings.isEmpty, "\(found.problems)")
    #expect(found.tensors.contains { $0.name.hasPrefix("transformer.layers.0.") })
  }

  @Test func bareModelsHaveNoHead() throws {
    let bare = try problems { sample in
      sample.configuration["architectures"] = ["GPTJModel"]
      sample.tensors.tensors.removeAll { $0.name.hasPrefix("lm_head") }
    }
    #expect(bare.isEmpty)
    let gpt2 = try problems("gpt2") { sample in
      sample.configuration["architectures"] = ["GPT2Model"]
      sample.configuration["tie_word_embeddings"] = false
    }
    #expect(gpt2.isEmpty)
  }

  @Test(arguments: [true, false]) func classifiersHaveAHeadOfTheirOwn(hasScore: Bool) throws {
    let found = try problems("llama") { sample in
      sample.configuration["architectures"] = ["LlamaForSequenceClassification"]
      guard let head = sample.tensors.tensors.firstIndex(where: { $0.name == "lm_head.weight" })
      else { return }
      if hasScore {
        sample.tensors.tensors[head].name = "score.weight"
        sample.configuration["num_labels"] = sample.tensors.tensors[head].shape[0]
      } else {
        sample.tensors.tensors.remove(at: head)
      }
    }
    #expect(found.map(\.check) == (hasScore ? [] : ["tensor-missing"]))
  }

  @Test func classifiersTellAsManyClassesApartAsTheirHeadHas() throws {
    let found = try problems("llama") { sample in
      sample.configuration["architectures"] = ["LlamaForSequenceClassification"]
      for index in sample.tensors.tensors.indices
      where sample.tensors.tensors[index].name == "lm_head.weight" {
        sample.tensors.tensors[index].name = "score.weight"
      }
    }
    #expect(found.map(\.check) == ["tensor-shape"])
    #expect(found.first?.error.hint?.contains("id2label") == true)
  }

  // MARK: Shapes

  @Test func matricesThatLieTheOtherWayAreFound() throws {
    let found = try problems { sample in
      for index in sample.tensors.tensors.indices
      where sample.tensors.tensors[index].name.contains(".mlp.fc_in.weight") {
        sample.tensors.tensors[index].shape.reverse()
      }
    }
    #expect(found.count > 1 && found.allSatisfy { $0.check == "tensor-transposed" && $0.isFatal })
    #expect(found.first?.error.tensor == "transformer.h.0.mlp.fc_in.weight")
  }

  @Test func otherShapesAreNoReasonNotToCopy() throws {
    let found = try model("llama") { sample in
      sample.configuration["vocab_size"] = 7
    }
    #expect(
      found.problems.map(\.error.tensor) == ["model.embed_tokens.weight", "lm_head.weight"])
    #expect(found.problems.allSatisfy { $0.check == "tensor-shape" && !$0.isFatal })
    let warnings = try found.requireCopyable()
    #expect(warnings.map(\.severity) == [.warning, .warning])
    #expect(throws: CheckpointError.self) { try found.requireSound() }
  }

  @Test func placeholdersHaveNoData() throws {
    let found = try problems { sample in
      sample.tensors.tensors[0].shape = [0]
      sample.tensors.tensors[0].data = Data()
    }
    #expect(found.map(\.check) == ["data-missing"] && found.allSatisfy { $0.isFatal })
  }

  @Test func strangersAreWarnedOf() throws {
    let found = try model { sample in
      var tensor = sample.tensors.tensors[0]
      tensor.name = "transformer.h.0.extra.weight"
      sample.tensors.tensors.append(tensor)
    }
    #expect(found.problems.isEmpty)
    #expect(found.findings.map(\.check) == ["tensor-unknown"])
    #expect(found.findings.map(\.severity) == [.warning])
  }

  /// Tensors that other configurations or families compute with show that something doesn't belong together.
  @Test(arguments: [
    ("llama", "model.layers.0.self_attn.q_norm.weight", "tensor-uncomputed"),
    ("llama", "model.layers.1.self_attn.q_proj.bias", "tensor-uncomputed"),
    ("llama", "model.layers.3.self_attn.q_proj.weight", "layer-unknown"),
    ("llama", "model.layers.99999999999999999999.mlp.up_proj.weight", "layer-unknown"),
    ("qwen3_moe", "model.layers.0.mlp.shared_expert.up_proj.weight", "tensor-uncomputed"),
    ("qwen3_moe", "model.layers.2.mlp.experts.0.up_proj.weight", "layer-unknown"),
  ])
  func tensorsThatWouldBeComputedWithAreErrors(
    _ family: String, _ name: String, _ check: String
  ) throws {
    let found = try model(family) { sample in
      sample.tensors.tensors.append(SampleTensor(name, [2], floats: [1, 2]))
    }
    #expect(found.problems.map(\.check) == [check], "\(found.problems)")
    #expect(found.problems.allSatisfy { !$0.isFatal && $0.error.tensor == name })
    #expect(throws: CheckpointError.self) { try found.requireSound() }
  }

  @Test func aLayerTooManyInAGGUFFileIsNamed() throws {
    let bytes = try Fixtures.bytes("gguf/llama_biases.F32.gguf")
    let file = try GGUFHeader(InputFile(path: Fixtures.path("gguf/llama_biases.F32.gguf")).region)
    let count = try #require(file["llama.block_count"]?.integer)
    // The key's value follows its name and its type.
    let key = Array("llama.block_count".utf8)
    let start = try #require(bytes.indices.first { bytes[$0...].starts(with: key) })
    var edited = bytes
    edited[start + key.count + 4] = UInt8(count - 1)
    let path = try workspace.write("short.gguf", Data(edited))
    let problems = try Source(path).model().problems
    #expect(!problems.isEmpty && problems.allSatisfy { $0.check == "layer-unknown" })
    #expect(problems.first?.error.tensor?.hasPrefix("blk.\(count - 1).") == true)
    // A number that can't be right is shown.
    edited[start + key.count + 4] = 0
    let none = try Source(workspace.write("none.gguf", Data(edited))).model().problems
    #expect(none.contains { $0.error.found == "0" }, "\(none)")
  }

  @Test func layersThatPredictFurtherTokensAreSetAside() throws {
    let found = try model("llama") { sample in
      sample.configuration["num_nextn_predict_layers"] = 1
      for name in ["self_attn.q_proj.weight", "eh_proj.weight"] {
        sample.tensors.tensors.append(
          SampleTensor("model.layers.3.\(name)", [2], floats: [1, 2]))
      }
    }
    #expect(found.problems.isEmpty, "\(found.problems)")
    #expect(found.findings.contains { $0.check == "part-set-aside" && $0.severity == .note })
  }

  // MARK: Settings

  /// Values that no program can compute with, by the setting's name.
  @Test(
    arguments: [
      ("llama", "rms_norm_eps", -1), ("llama", "hidden_act", "foo"),
      ("mixtral", "num_experts_per_tok", 50), ("mixtral", "num_experts_per_tok", 0),
      ("mixtral", "num_experts_per_tok", "two"), ("granite", "logits_scaling", 0),
      ("bloom", "layer_norm_epsilon", -1),
      ("llama", "rope_scaling.factor", 0), ("gpt_oss", "rope_parameters.factor", 0),
      ("gpt_oss", "rope_parameters.beta_fast", -1), ("gpt_oss", "rope_parameters.beta_slow", -1),
      ("gpt_oss", "rope_parameters.original_max_position_embeddings", -1),
    ] as [(String, String, any Sendable)])
  func settingsThatNobodyCanUseAreErrors(
    _ family: String, _ key: String, _ value: any Sendable
  ) throws {
    let parts = key.split(separator: ".").map(String.init)
    let found = try model(family) { sample in
      guard parts.count > 1 else {
        sample.configuration[key] = value
        return
      }
      var inner =
        sample.configuration[parts[0]] as? [String: Any] ?? ["rope_type": "linear", "factor": 2]
      inner[parts[1]] = value
      sample.configuration[parts[0]] = inner
    }
    #expect(found.problems.map(\.check) == ["configuration-unusable"], "\(found.problems)")
    #expect(found.problems.first?.error.message.contains("'\(key)'") == true)
    #expect(found.uncomputed == nil)
  }

  @Test func settingsThatAreNotComputedHereAreNoErrors() throws {
    let found = try model("llama") { $0.configuration["hidden_act"] = "relu6" }
    #expect(found.problems.isEmpty && found.uncomputed?.code == .unsupported)
  }

  @Test func normsWithoutWeightsAreNotMissed() throws {
    let found = try model("opt") { sample in
      sample.configuration["layer_norm_elementwise_affine"] = false
      sample.tensors.tensors.removeAll { $0.name.contains("layer_norm") }
    }
    #expect(found.problems.isEmpty, "\(found.problems)")
    #expect(found.uncomputed?.description.contains("layer_norm_elementwise_affine") == true)
  }

  /// As transformers runs it: all layers are dense.
  @Test func aMixtureOfNoExpertsIsDense() throws {
    let found = try model("qwen3_moe_dense") { sample in
      sample.configuration["num_experts"] = 0
      sample.configuration["num_local_experts"] = nil
      sample.tensors.tensors.removeAll { $0.name.contains(".mlp.") }
      for layer in 0..<(sample.configuration["num_hidden_layers"] as? Int ?? 0) {
        let (model, inner) = (
          sample.configuration["hidden_size"] as? Int ?? 0,
          sample.configuration["intermediate_size"] as? Int ?? 0
        )
        for (name, shape) in [
          ("gate_proj", [inner, model]), ("up_proj", [inner, model]),
          ("down_proj", [model, inner]),
        ] {
          sample.tensors.tensors.append(
            SampleTensor(
              "model.layers.\(layer).mlp.\(name).weight", shape,
              floats: Array(repeating: 0, count: model * inner)))
        }
      }
    }
    #expect(found.problems.isEmpty && found.uncomputed == nil, "\(found.problems)")
  }

  // MARK: Quantized weights

  /// Endings of a weight's companions, and of what stands in its place.
  private static let quantizers: [(weight: String, companions: [String])] = [
    (".weight", [".weight_scale_inv"]), (".weight", [".SCB"]),
    (".weight", [".weight.absmax", ".weight.quant_map"]), (".qweight", [".scales", ".qzeros"]),
    (".weight_packed", [".weight_scale", ".weight_shape"]),
  ]

  @Test(arguments: quantizers.indices) func codesAreToldByTheirCompanions(kind: Int) throws {
    let (weight, companions) = Self.quantizers[kind]
    let found = try model("llama") { sample in
      for tensor in sample.tensors.tensors where tensor.name.contains(".mlp.") {
        guard let index = sample.tensors.tensors.firstIndex(where: { $0.name == tensor.name })
        else { continue }
        let stem = tensor.name.replacing(".weight", with: "")
        sample.tensors.tensors[index].name = stem + weight
        for companion in companions {
          var other = tensor
          other.name = stem + companion
          sample.tensors.tensors.append(other)
        }
      }
    }
    // These don't fit each other: they can be copied, but stand for nothing.
    #expect(
      !found.problems.isEmpty
        && found.problems.allSatisfy {
          ["quantized-part", "companion-missing", "quantization-claim"].contains($0.check)
        })
    #expect(found.findings.map(\.check) == ["quantized-weights"])
    #expect(found.quantized?.weights.contains("model.layers.0.mlp.up_proj.weight") == true)
    #expect(throws: CheckpointError.self) { try found.requireValues() }
    #expect(throws: Never.self) { try found.requireCopyable() }
  }

  // MARK: GGUF

  @Test func filesAreCheckedAgainstTheirOwnKeys() throws {
    let whole = try Source(Fixtures.path("gguf/llama_biases.F32.gguf")).model()
    #expect(whole.problems.isEmpty && (whole.expectedCount ?? 0) > 3)
  }
}
