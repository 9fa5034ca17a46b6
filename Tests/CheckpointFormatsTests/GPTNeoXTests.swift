import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Training checkpoints of GPT-NeoX: what ranks' files make, and what keeps them from making a model.
@Suite struct GPTNeoXTests {
  private struct Case: Decodable {
    struct Tensor: Decodable {
      let dtype: String
      let shape: [Int]
      let digest: String
    }
    let tensors: [String: Tensor]
    let findings: [String]
  }

  @Test(
    arguments: [
      "parallel_tp2", "serial_tp2", "parallel_tp4_drift", "sequential_tp2_tied", "pipeline_tied",
      "sequential_untied",
    ])
  func makesTheModelThatWasCut(_ name: String) throws {
    let expected = try JSONDecoder().decode(
      Case.self, from: Data(Fixtures.bytes("gpt-neox/\(name)/case.json")))
    let source = try Source(Fixtures.path("gpt-neox/\(name)/checkpoint"))
    let found = try digests(source.reader, as: nil)
    let tensors = try source.model().tensors
    #expect(Set(tensors.map(\.name)) == Set(expected.tensors.keys))
    for tensor in tensors {
      let wanted = try #require(expected.tensors[tensor.name])
      #expect(tensor.shape.dimensions == wanted.shape && tensor.dtype.rawValue == wanted.dtype)
      #expect(found[tensor.name]?.description == wanted.digest, "\(tensor.name)")
    }
    let findings = Set(try source.reader.contentFindings().map(\.check))
    #expect(findings == Set(expected.findings))
    #expect(try source.model().problems.isEmpty)
  }

  @Test func printsHowRanksAreMerged() throws {
    let drift = try Source(Fixtures.path("gpt-neox/parallel_tp4_drift/checkpoint")).reader
    let expressions = try drift.canonicalTensors().map { "\($0.expression)" }
    #expect(expressions[0] == "concatenate(axis 0, rank_{0…3}/module_0/word_embeddings.weight)")
    #expect(expressions.contains("concatenate(axis 1, rank_{0…3}/module_2/attention.dense.weight)"))
    #expect(expressions.contains("sum(rank_{0…3}/module_2/attention.dense.bias)"))
    #expect(expressions.contains { $0.hasPrefix("mean(rank_{0…3}/module_") })
    // Without gpt_j_residual biases are copies.
    let serial = try Source(Fixtures.path("gpt-neox/serial_tp2/checkpoint")).reader
    #expect(
      try serial.canonicalTensors().contains {
        $0.expression == .stored("rank_0/module_2/attention.dense.bias")
      })
    let parallel = try Source(Fixtures.path("gpt-neox/parallel_tp2/checkpoint")).reader
    #expect(
      try parallel.canonicalTensors().contains {
        "\($0.expression)" == "cast(sum(rank_{0…1}/module_2/mlp.dense_4h_to_h.bias), F16)"
      })
  }

  /// What keeps a checkpoint from being used: some of it only values tell, which are read when the model is asked for.
  private func obstacle(_ path: String) -> CheckpointError? {
    do throws(CheckpointError) {
      _ = try Source(path).reader.canonicalTensors()
      return nil
    } catch { return error }
  }

  @Test(arguments: Fixtures.cases("bad/neox"))
  func filesGetTheirVerdicts(_ file: Fixtures.Case) throws {
    let error = obstacle(file.path)
    #expect((error != nil) == (file.verdict == "reject"), "\(error?.description ?? "opened")")
    guard file.verdict != "reject" else { return }
    let findings = try Source(file.path).reader.contentFindings()
    #expect(findings.map(\.check).contains("replicas-differ") == (file.verdict == "warn"))
  }

  @Test func thereAreFilesToTry() { #expect(Fixtures.cases("bad/neox").count == 18) }

  // MARK: Files

  /// A copy of a sound checkpoint of two ranks and two layers.
  private struct Copied {
    let workspace: Workspace
    var step: String { "\(workspace.path)/in/global_step5" }

    init() throws {
      let made = try Workspace()
      try FileManager.default.copyItem(
        atPath: Fixtures.path("bad/neox/ok_plain"), toPath: "\(made.path)/in")
      workspace = made
      try Self.configuration.write(
        toFile: "\(step)/configs/model.yml", atomically: true, encoding: .utf8)
    }

    private static let configuration = """
      # As people write them by hand.
      model_parallel_size: 2
      num_layers: 2
      hidden_size: 16
      num_attention_heads: 4
      max_position_embeddings: 32
      pos_emb: "rotary"
      rotary_pct: 0.25
      no_weight_tying: true
      gpt_j_residual: true
      norm: "layernorm"

      """

    func open(_ configuration: String? = nil) throws -> Source {
      try Source(
        "\(workspace.path)/in", OpenOptions(configuration: configuration.map { Array($0.utf8) }))
    }

    func move(_ from: String, _ to: String) throws {
      try FileManager.default.moveItem(atPath: "\(step)/\(from)", toPath: "\(step)/\(to)")
    }

    func rewrite(_ old: String, _ new: String) throws {
      let path = "\(step)/configs/model.yml"
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text.contains(old))
      try text.replacingOccurrences(of: old, with: new)
        .write(toFile: path, atomically: true, encoding: .utf8)
    }

    func error(_ configuration: String? = nil) throws -> CheckpointError? {
      do {
        _ = try open(configuration).model()
        return nil
      } catch let error as CheckpointError { return error }
    }
  }

  @Test(arguments: [("layer_03-model_01", "rank 1 of layer 1"), ("layer_06-model_00", "the head")])
  func namesLayerAndRankOfAMissingFile(_ name: String, _ words: String) throws {
    let copied = try Copied()
    try FileManager.default.removeItem(atPath: "\(copied.step)/\(name)-model_states.pt")
    let error = try copied.error()
    #expect(error?.code == .missing && error?.message.contains(words) == true)
    #expect(error?.file == "global_step5/\(name)-model_states.pt")
  }

  /// Ranks' files beside those of layers have no weights: a copy of them alone is no model.
  @Test func notesAloneAreNoModel() throws {
    let workspace = try Workspace()
    try workspace.copy(Fixtures.path("gpt-neox/parallel_tp2/checkpoint"), to: "in")
    for name in workspace.names(in: "in/global_step20") where name.hasPrefix("layer_") {
      try workspace.remove("in/global_step20/\(name)")
    }
    for folder in ["in", "in/global_step20"] {
      let error = #expect(throws: CheckpointError.self) { try Source(workspace.path(folder)) }
      #expect(error?.code == .missing)
      #expect(error?.message.contains("files of the layers are not there") == true)
    }
  }

  @Test func filesThatChangedPlacesAreFound() throws {
    let copied = try Copied()
    try copied.move("layer_02-model_00-model_states.pt", "x")
    try copied.move("layer_03-model_00-model_states.pt", "layer_02-model_00-model_states.pt")
    try copied.move("x", "layer_03-model_00-model_states.pt")
    let error = try copied.error()
    #expect(error?.message.contains("saved under another name") == true)
    #expect(error?.expected == "layer_03-model_00-model_states.pt")
  }

  @Test func ranksOfAnotherStepAreFound() throws {
    let workspace = try Workspace()
    try FileManager.default.copyItem(
      atPath: Fixtures.path("gpt-neox/sequential_tp2_tied/checkpoint/global_step50"),
      toPath: "\(workspace.path)/global_step60")
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    #expect(error?.message.contains("rank 0 is from another step") == true)
    #expect(error?.file == "global_step60/mp_rank_00_model_states.pt")
  }

  @Test(arguments: ["mp_rank_00", "mp_rank_01"])
  func renumberedRanksAreFound(_ name: String) throws {
    let workspace = try Workspace()
    let step = "\(workspace.path)/in/global_step70"
    try FileManager.default.copyItem(
      atPath: Fixtures.path("gpt-neox/sequential_untied/checkpoint"),
      toPath: "\(workspace.path)/in")
    for other in ["mp_rank_00", "mp_rank_01"] where other != name {
      try FileManager.default.removeItem(atPath: "\(step)/\(other)_model_states.pt")
      try FileManager.default.copyItem(
        atPath: "\(step)/\(name)_model_states.pt", toPath: "\(step)/\(other)_model_states.pt")
    }
    let error = #expect(throws: CheckpointError.self) { try Source("\(workspace.path)/in") }
    #expect(error?.message.contains("saved under another name") == true)
    #expect(error?.expected == "\(name)_model_states.pt")
  }

  /// A layer's file doesn't note its step: copies that are equal in other layers tell.
  @Test(
    arguments: [
      ("bad_layer_of_another_step", "rank 0 or rank 1 of layer 1"),
      ("bad_rank_of_another_step", "rank 2 of layer 0"),
      ("bad_final_norm_of_another_step", "rank 0 or rank 1 of the final norm"),
    ])
  func layersOfAnotherStepAreFound(_ name: String, _ words: String) throws {
    let source = try Source(Fixtures.path("bad/neox/\(name)"))
    for find in [
      { () throws in _ = try source.reader.canonicalTensors() },
      { () throws in _ = try source.reader.contentFindings() },
    ] {
      let error = #expect(throws: CheckpointError.self) { try find() }
      #expect(error?.message == "\(words) is from another step of the training")
      #expect(error?.code == .malformed && error?.file?.hasPrefix("global_step5/layer_") == true)
    }
  }

  /// Where all layers differ, it is the training that let them.
  @Test func driftIsNoOtherStep() throws {
    let workspace = try Workspace()
    let step = "\(workspace.path)/global_step5"
    try FileManager.default.copyItem(
      atPath: Fixtures.path("bad/neox/bad_layer_of_another_step"), toPath: "\(workspace.path)/in")
    try FileManager.default.moveItem(atPath: "\(workspace.path)/in/global_step5", toPath: step)
    // Layer 0 gets the files of layer 1, whose copies differ.
    for rank in 0..<2 {
      let path = "\(step)/layer_02-model_0\(rank)-model_states.pt"
      let other = "\(step)/layer_03-model_0\(rank)-model_states.pt"
      var bytes = try Array(Data(contentsOf: URL(filePath: other)))
      let (old, new) = (Array("layer_03".utf8), Array("layer_02".utf8))
      for place in bytes.indices.dropLast(8) where Array(bytes[place..<place + 8]) == old {
        bytes.replaceSubrange(place..<place + 8, with: new)
      }
      try Data(bytes).write(to: URL(filePath: path))
    }
    let findings = try Source(step).reader.contentFindings()
    #expect(findings.count { $0.check == "replicas-differ" } == 8)
  }

  @Test func oneFileOfATrainingIsNoModel() throws {
    let copied = try Copied()
    let file = try Source("\(copied.step)/layer_02-model_00-model_states.pt").checkpoint
    #expect(file.format == "pytorch" && file.findings.map(\.check) == ["opened-as"])
    #expect(file.findings.first?.message.contains("stands for the whole model") == true)
  }

  @Test func severalStepsNeedAName() throws {
    let copied = try Copied()
    try FileManager.default.copyItem(
      atPath: copied.step, toPath: "\(copied.workspace.path)/in/global_step6")
    #expect(try copied.open().checkpoint.trainingStep == 5)
    try FileManager.default.removeItem(atPath: "\(copied.workspace.path)/in/latest")
    #expect(try copied.error()?.code == .usage)
    #expect(try Source("\(copied.workspace.path)/in/global_step6").checkpoint.trainingStep == 6)
  }

  // MARK: Configurations

  @Test func aConfigurationToCompleteIsFilledInAsFarAsShapesProveIt() throws {
    let copied = try Copied()
    let text = try String(contentsOfFile: "\(copied.step)/configs/model.yml", encoding: .utf8)
    try FileManager.default.removeItem(atPath: "\(copied.step)/configs")
    let error = try copied.error()
    let template = try JSONValue(
      parsing: Array((error?.hintLines ?? []).joined(separator: "\n").utf8))
    #expect(template["num_layers"] == 2 && template["hidden_size"] == 16)
    #expect(template["model_parallel_size"] == 2 && template["no_weight_tying"] == true)
    #expect(template["gpt_j_residual"] == .null && template["num_attention_heads"] == .null)
    // Null is no answer.
    #expect(try copied.error(template.documentText)?.code == .usage)
    let completed = JSONValue.object(
      (template.members ?? []).map {
        let answers: [String: JSONValue] = [
          "num_attention_heads": 4, "max_position_embeddings": 32, "gpt_j_residual": true,
          "rotary_pct": 0.25, "bias_gelu_fusion": false,
        ]
        return .init($0.key, answers[$0.key] ?? $0.value)
      })
    #expect(try copied.error(completed.documentText) == nil)
    #expect(try copied.error(text) == nil)
  }

  @Test(
    arguments: [
      ("pos_emb: \"rotary\"", "pos_emb: \"alibi\"", "pos_emb"),
      ("pos_emb: \"rotary\"", "", "pos_emb"),
      ("norm: \"layernorm\"", "norm: \"rmsnorm\"", "norm"),
      ("norm: \"layernorm\"", "activation: \"swiglu\"", "activation"),
      ("norm: \"layernorm\"", "num_kv_heads: 2", "num_kv_heads"),
      ("norm: \"layernorm\"", "attention-config: [[[rwkv], 2]]", "attention_config"),
      ("hidden_size: 16", "hidden_size: 32", "hidden_size"),
      ("num_attention_heads: 4", "num_attention_heads: 5", "num_attention_heads"),
      ("no_weight_tying: true", "no_weight_tying: false", "module"),
    ])
  func modelsOfOtherKindsAreRefusedByName(_ old: String, _ new: String, _ word: String) throws {
    let copied = try Copied()
    try copied.rewrite(old, new)
    let error = try copied.error()
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "opened")")
  }

  @Test func approximatedGELUIsWrittenAsItWasComputed() throws {
    let copied = try Copied()
    try copied.rewrite("norm: \"layernorm\"", "bias-gelu-fusion: true")
    let source = try copied.open()
    #expect(source.checkpoint.findings.contains { $0.check == "gelu-approximation" })
    let configuration = try JSONValue(parsing: #require(try source.huggingFaceConfiguration()))
    #expect(configuration["hidden_act"] == "gelu_fast")
  }

  @Test func theDefaultsAreThoseOfTheTrainingCode() throws {
    let copied = try Copied()
    try copied.rewrite("rotary_pct: 0.25", "")
    try copied.rewrite("gpt_j_residual: true", "")
    let configuration = try JSONValue(
      parsing: #require(try copied.open().huggingFaceConfiguration()))
    #expect(configuration["rotary_pct"]?.double == 1)
    #expect(configuration["use_parallel_residual"] == false)
    #expect(configuration["hidden_act"] == "gelu")
  }

  @Test func optimizersAreLeftOut() throws {
    let copied = try Copied()
    let name = "zero_pp_rank_0_mp_rank_00_optim_states.pt"
    try Data("x".utf8).write(to: URL(filePath: "\(copied.step)/\(name)"))
    #expect(try copied.open().checkpoint.leftOut == ["global_step5/\(name)"])
    #expect(try Source(copied.step).checkpoint.leftOut == [name])
  }
}
