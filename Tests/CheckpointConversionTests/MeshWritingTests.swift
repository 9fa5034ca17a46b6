import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Mesh-Transformer shards as they are written.
@Suite struct MeshWritingTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  @discardableResult
  private func toMesh(
    _ source: String, _ name: String, shards: Int? = nil, dtype: DType? = nil,
    _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) throws(CheckpointError) -> Certificate {
    try convert(source, workspace.path(name), dtype: dtype) {
      $0.format = "mesh-transformer"
      if let shards { $0.settings.sharding = .count(shards) }
      edit(&$0)
    }.certificate
  }

  private func refusal(
    _ source: String, _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) -> CheckpointError? {
    let error = failure(
      of: request(source, workspace.path("refused")) {
        $0.format = "mesh-transformer"
        edit(&$0)
      })
    #expect(!workspace.has("refused"))
    return error
  }

  private static let gptj = Fixtures.path("huggingface/gptj")

  // MARK: Round trips

  @Test(arguments: [1, 2, 4])
  func huggingFaceComesBackBitForBit(shards: Int) throws {
    let written = try toMesh(Self.gptj, "mesh", shards: shards)
    #expect(written.tensors.allSatisfy { $0.exactness == .exact })
    #expect(written.tensors.count == shards * 37)
    let source = try Source(workspace.path("mesh"))
    #expect(source.meshShardCount == shards)
    try convert(workspace.path("mesh"), workspace.path("back"))
    for name in ["model.safetensors", "config.json", "tokenizer.json", "generation_config.json"] {
      let original = try Data(contentsOf: URL(filePath: "\(Self.gptj)/\(name)"))
      #expect(try workspace.contents("back/\(name)") == original, "\(name)")
    }
  }

  @Test(arguments: MeshFixture.all, [1, 2, 4, 8])
  func meshComesBackWithTheSameIdentities(fixture: MeshFixture, shards: Int) throws {
    let exact = try fixture.convert(to: workspace.path("hf"), dtype: .f32).certificate
    guard fixture.name.hasPrefix("s8") || shards <= 4 else {
      #expect(refusal(workspace.path("hf")) { $0.settings.sharding = .count(shards) } != nil)
      return
    }
    try toMesh(workspace.path("hf"), "mesh", shards: shards)
    let again = try convert(workspace.path("mesh"), workspace.path("again")).certificate
    #expect(again.root == exact.root)
    #expect(again.tensors.allSatisfy { $0.exactness == .exact })
  }

  @Test(arguments: MeshFixture.all)
  func meshToMeshKeepsShardsStepAndDTypes(fixture: MeshFixture) throws {
    let configuration = try fixture.configuration
    let written = try toMesh(fixture.archive, "mesh") {
      $0.openOptions.configuration = configuration
    }
    #expect(written.files.first?.name == "step_6/shard_0/0.npz")
    let source = try Source(workspace.path("mesh"))
    #expect(source.meshShardCount == (fixture.name.hasPrefix("s8") ? 8 : 4))
    #expect(source.checkpoint.trainingStep == 6)
    let original = try Source(fixture.archive)
    for tensor in source.checkpoint.tensors {
      #expect(original.checkpoint.type(of: tensor.name) == source.checkpoint.type(of: tensor.name))
    }
    // What isn't summed is taken from the one tensor that holds it, and nothing happens to it.
    let weight = try #require(
      written.tensors.first { $0.name == "shard_1/layer_3/~/linear_3/w" })
    #expect(weight.expression == weight.name && weight.exactness == .exact)
    #expect(
      written.findings.contains { $0.check == "optimizer-state" } == fixture.name.hasSuffix("full"))
  }

  @Test func shardsAreCutWhereTheyLie() throws {
    let written = try toMesh(Self.gptj, "mesh", shards: 2)
    func expression(_ name: String) -> String? {
      written.tensors.first { $0.name == name }?.expression
    }
    let layer = "transformer.h.1"
    #expect(
      expression("shard_1/layer_1/~/linear/w")
        == "transpose(slice(\(layer).attn.q_proj.weight, axis 0, 32..<64))")
    #expect(
      expression("shard_1/layer_1/~/linear_1/w")
        == "transpose(slice(\(layer).attn.v_proj.weight, axis 0, 32..<64))")
    #expect(
      expression("shard_0/layer_1/~/linear_5/w")
        == "transpose(slice(\(layer).mlp.fc_out.weight, axis 1, 0..<128))")
    #expect(expression("shard_0/layer_1/~/linear_5/b") == "\(layer).mlp.fc_out.bias")
    #expect(expression("shard_1/layer_1/~/linear_5/b") == "fill(-0.0, F32, [64])")
    #expect(expression("shard_0/embedding_shard/~/linear/b") == "fill(-0.0, F32, [64])")
    #expect(
      expression("shard_1/layer_1/~/replicated_layer_norm/scale") == "fill(1.0, F32, [64])")
    #expect(
      expression("shard_1/layer_1/~/replicated_layer_norm/offset") == "fill(0.0, F32, [64])")
    #expect(expression("shard_1/step") == "fill(0, I32, [])")
    #expect(written.findings.map(\.check) == ["metadata-left-out", "mesh-two-shards"])
  }

  @Test func everyLeafStandsWhereTheOriginalHasIt() throws {
    try toMesh(Self.gptj, "mesh", shards: 4)
    for shard in 0..<4 {
      var names: [String] = []
      for piece in 0..<16 {
        let file = try Source(workspace.path("mesh/step_0/shard_\(shard)/\(piece).npz"))
        let count = piece < 5 ? 3 : 2
        #expect(file.checkpoint.tensors.map(\.name) == (0..<count).map { "arr_\($0)" })
        names += file.checkpoint.tensors.map { "\($0.dtype.rawValue) \($0.shape)" }
      }
      #expect(names.count == 37)
      #expect(names.first == "F32 [64]" && names[1] == "F32 [100, 64]" && names.last == "I32 []")
    }
    #expect(workspace.names(in: "mesh").contains("config.json"))
    #expect(workspace.names(in: "mesh").contains("tokenizer.json"))
  }

  @Test(arguments: [DType.bf16, .f16, .f32])
  func castsEveryLeaf(dtype: DType) throws {
    let written = try toMesh(Self.gptj, "mesh", dtype: dtype)
    #expect(
      written.tensors.allSatisfy {
        $0.dtype == ($0.name.hasSuffix("/step") ? .i32 : dtype)
      })
    let straight = try convert(Self.gptj, workspace.path("straight"), dtype: dtype).certificate
    let again = try convert(workspace.path("mesh"), workspace.path("again")).certificate
    #expect(again.root == straight.root)
    #expect(
      try workspace.contents("again/config.json") == workspace.contents("straight/config.json"))
  }

  @Test(arguments: [1, 2, 4, 8])
  func negativeZerosSurvive(shards: Int) throws {
    var sample = GPTJSample()
    for tensor in sample.tensors {
      let zeros = [Float](repeating: -0.0, count: tensor.data.count / 4)
      sample[tensor.name] = SampleTensor(tensor.name, tensor.shape, floats: zeros)
    }
    try toMesh(sample.write(workspace), "mesh", shards: shards)
    try convert(workspace.path("mesh"), workspace.path("back"))
    let back = try SafetensorsSample(folder: workspace.path("back"))
    for tensor in sample.tensors { #expect(back[tensor.name]?.data == tensor.data) }
  }

  @Test func mixedDTypesAreKept() throws {
    var sample = GPTJSample()
    for tensor in sample.tensors where tensor.shape.count == 2 {
      let upperHalves = stride(from: 2, to: tensor.data.count, by: 4).flatMap {
        tensor.data[tensor.data.startIndex + $0..<tensor.data.startIndex + $0 + 2]
      }
      sample[tensor.name] = SampleTensor(
        tensor.name, "BF16", tensor.shape, Data(upperHalves))
    }
    let written = try toMesh(sample.write(workspace), "mesh", shards: 2)
    func dtype(_ name: String) -> DType? { written.tensors.first { $0.name == name }?.dtype }
    #expect(dtype("shard_1/layer_0/~/linear_2/w") == .bf16)
    #expect(dtype("shard_1/layer_0/~/linear_5/b") == .f32)
    #expect(dtype("shard_1/embedding_shard/~/linear/b") == .bf16)
    try convert(workspace.path("mesh"), workspace.path("back"))
    let back = try SafetensorsSample(folder: workspace.path("back"))
    for tensor in sample.tensors { #expect(back[tensor.name] == tensor, "\(tensor.name)") }
  }

  // MARK: What is said

  @Test func extraTensorsAreFoundAndLeftOut() throws {
    var sample = GPTJSample()
    sample.tensors += [
      SampleTensor("transformer.h.0.attn.bias", "BOOL", [1, 1, 2, 2], Data([1, 0, 1, 1])),
      SampleTensor("transformer.h.0.attn.masked_bias", [], floats: [-1e9]),
      SampleTensor("score.weight", [2, 16], floats: Array(repeating: 1, count: 32)),
    ]
    let written = try toMesh(sample.write(workspace), "mesh", shards: 1)
    let findings = written.findings
    #expect(
      findings.map(\.check).sorted() == [
        "default-buffer", "default-buffer", "tensor-left-out",
      ])
    #expect(findings.first { $0.check == "tensor-left-out" }?.tensor == "score.weight")
    #expect(findings.first { $0.check == "tensor-left-out" }?.severity == .warning)
  }

  @Test(arguments: [
    (3, "1, 2, 4 or 8", "8 heads and 24 tokens"), (16, "1, 2, 4 or 8", "8 heads"),
  ])
  func otherShardCountsAreRefused(_ count: Int, _ possible: String, _ why: String) throws {
    let source = try GPTJSample().write(workspace)
    let error = refusal(source) { $0.settings.sharding = .count(count) }
    #expect(error?.code == .usage && error?.found == "\(count)")
    #expect(error?.expected?.contains(possible) == true)
    #expect(error?.expected?.contains(why) == true)
    #expect(error?.hint?.contains("--shards") == true)
  }

  @Test func shardsOfASizeAreRefused() throws {
    let source = try GPTJSample().write(workspace)
    let error = refusal(source) { $0.settings.sharding = .maximumByteCount(1000) }
    #expect(error?.code == .usage && error?.hint?.contains("--shards 1, 2, 4 or 8") == true)
  }

  @Test func thereAreAsManyShardsAsIsUsual() throws {
    var sample = GPTJSample()
    for (heads, shards) in [(8, 8), (4, 4), (2, 2), (1, 1)] {
      sample.heads = heads
      try sample.write(workspace, "\(heads)")
      try toMesh(workspace.path("\(heads)"), "mesh\(heads)")
      #expect(workspace.names(in: "mesh\(heads)/step_0").count == shards)
    }
  }

  @Test func aMissingTensorIsNamed() throws {
    var sample = GPTJSample()
    sample["transformer.h.1.mlp.fc_in.bias"] = nil
    let error = refusal(try sample.write(workspace))
    #expect(error?.code == .missing && error?.tensor == "transformer.h.1.mlp.fc_in.bias")
  }

  @Test func aWrongShapeIsNamed() throws {
    var sample = GPTJSample()
    sample["lm_head.bias"] = SampleTensor(
      "lm_head.bias", [23], floats: Array(repeating: 0, count: 23))
    let error = refusal(try sample.write(workspace))
    #expect(
      error?.tensor == "lm_head.bias" && error?.expected == "[24], vocabulary"
        && error?.found == "[23]")
  }

  @Test func otherWidthsOfFeedForwardLayersAreRefused() throws {
    let source = try GPTJSample().write(workspace)
    try workspace.edit("in/config.json") { data in
      data =
        Data(String(decoding: data, as: UTF8.self).dropLast().utf8)
        + Data(", \"n_inner\": 32}".utf8)
    }
    let error = refusal(source)
    #expect(error?.tensor == "transformer.h.0.mlp.fc_in.weight" && error?.code == .malformed)
  }

  @Test(arguments: ["F64", "I32"])
  func otherDTypesAreRefused(_ dtype: String) throws {
    var sample = GPTJSample()
    sample["lm_head.bias"] = SampleTensor(
      "lm_head.bias", dtype, [24], Data(count: dtype == "F64" ? 192 : 96))
    let error = refusal(try sample.write(workspace))
    #expect(error?.code == .unsupported && error?.tensor == "lm_head.bias")
    #expect(error?.found == dtype)
    #expect((error?.hint?.contains("--dtype") == true) == (dtype == "F64"))
    if dtype == "F64" { try toMesh(workspace.path("in"), "mesh", dtype: .f32) }
  }

  @Test func unknownHeadsAreAskedFor() throws {
    let sample = GPTJSample()
    let source = try sample.write(workspace, withConfiguration: false)
    let error = refusal(source)
    #expect(error?.code == .usage && error?.hint?.contains("--config") == true)
    #expect(error?.hintLines.contains { $0.contains("\"d_model\": 16") } == true)
    try toMesh(source, "mesh") { $0.openOptions.configuration = Array(sample.configuration.utf8) }
    #expect(workspace.names(in: "mesh/step_0").count == 8)
    let bare = MeshFixture.all.first.flatMap { refusal($0.archive) }
    #expect(bare?.hint?.contains("--config") == true)
  }

  @Test func otherFamiliesAreRefused() {
    let error = refusal(Fixtures.path("huggingface/gpt2"))
    #expect(error?.code == .unsupported && error?.expected?.contains("gptj") == true)
  }

  // MARK: Reading what was written

  @Test func theConfigurationBesideTheStepIsTaken() throws {
    try toMesh(Self.gptj, "mesh")
    let own = try Source(workspace.path("mesh"))
    #expect(try own.huggingFaceConfiguration() == [UInt8](workspace.contents("mesh/config.json")))
    #expect(own.inputs.contains { $0.name == "config.json" })
    // --config comes first, and Mesh's own form is translated.
    let mesh =
      #"{"layers": 3, "d_model": 64, "n_heads": 2, "n_vocab": 400, "norm": "layernorm", "pe": "rotary", "pe_rotary_dims": 4, "seq": 16}"#
    let options = OpenOptions(configuration: Array(mesh.utf8), configurationName: "mine.json")
    let given = try Source(workspace.path("mesh"), options)
    let made = String(decoding: try #require(try given.huggingFaceConfiguration()), as: UTF8.self)
    #expect(made.contains("\"n_head\": 2"))
    try workspace.write("mesh/config.json", Data(mesh.utf8))
    #expect(
      try Source(workspace.path("mesh")).huggingFaceConfiguration() == Array(made.utf8))
  }

  /// Archives of a folder have it around everything.
  @Test(arguments: ["", "mesh/", "a/mesh/"])
  func anArchiveOfItNeedsNothingElse(prefix: String) throws {
    try toMesh(Self.gptj, "mesh")
    var archive = TarBuilder()
    for (name, data) in try workspace.snapshot(of: "mesh").sorted(by: { $0.key < $1.key })
    where !data.isEmpty { archive.add(prefix + name, [UInt8](data)) }
    archive.end()
    let source = try workspace.write("mesh.tar", Data(archive.bytes))
    try convert(source, workspace.path("back"))
    for name in ["model.safetensors", "config.json", "tokenizer.json"] {
      let original = try Data(contentsOf: URL(filePath: "\(Self.gptj)/\(name)"))
      #expect(try workspace.contents("back/\(name)") == original, "\(name)")
    }
  }

  @Test(arguments: ["{", #"{"model_type": "gpt2"}"#, #"{"layers": 5}"#])
  func aConfigurationThatDoesNotFitIsAFinding(_ text: String) throws {
    try toMesh(Self.gptj, "mesh")
    try workspace.write("mesh/config.json", Data(text.utf8))
    let source = try Source(workspace.path("mesh"))
    #expect(source.checkpoint.findings.map(\.check) == ["configuration-unusable"])
    #expect(throws: CheckpointError.self) { try source.huggingFaceConfiguration() }
  }

  // MARK: Certainty

  @Test func verifyPassesAndFindsAFlippedBit() throws {
    try toMesh(Self.gptj, "mesh", shards: 4)
    func report(_ other: Source? = nil) throws(CheckpointError) -> VerificationReport {
      try Verifier(workspace.path("mesh"), OpenOptions(), smallResources).run(against: other)
    }
    let sound = try report(Source(Self.gptj))
    #expect(!sound.findings.contains { $0.severity == .error }, "\(sound.findings)")
    try workspace.edit("mesh/step_0/shard_2/3.npz") { $0[$0.count - 400] ^= 4 }
    #expect(try report().findings.contains { $0.severity == .error })
  }

  @Test func resumedOrNotAndWithAnyThreadsTheBytesAreTheSame() throws {
    let source = try GPTJSample().write(workspace)
    func mesh(_ name: String, _ resources: EvaluationResources, resume: Bool = false)
      -> ConversionRequest
    {
      request(source, workspace.path(name), dtype: .bf16, resources: resources) {
        $0.format = "mesh-transformer"
        $0.settings.sharding = .count(2)
        $0.resume = resume
      }
    }
    let never = Interruption(at: 0)
    try convert(mesh("whole", never.resources()))
    let whole = try workspace.snapshot(of: "whole")
    try convert(mesh("two", EvaluationResources(memory: 64_000_000, threads: 2)))
    #expect(try workspace.snapshot(of: "two") == whole)
    var resumed: Set<Int> = []
    for call in stride(from: 1, through: never.callCount, by: 7) {
      let name = "resumed\(call)"
      let error = failure(of: mesh(name, Interruption(at: call).resources()))
      #expect(error?.code == .interrupted)
      let outcome = try convert(mesh(name, smallResources, resume: true))
      resumed.insert(outcome.resumedTensorCount)
      #expect(try workspace.snapshot(of: name) == whole)
    }
    #expect(resumed.count > 3)
  }
}
