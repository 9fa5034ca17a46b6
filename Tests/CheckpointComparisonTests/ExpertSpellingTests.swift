import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// Mixtures of experts in several spellings are one model: read, written, compared and checked as such.
@Suite struct ExpertSpellingTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let experts = "model.layers.1.block_sparse_moe.experts"

  private func tensors(_ path: String) throws -> [String: Data] {
    let sample = try SafetensorsSample(
      parsing: Data(contentsOf: URL(filePath: "\(path)/model.safetensors")))
    return Dictionary(uniqueKeysWithValues: sample.tensors.map { ($0.name, $0.data) })
  }

  private func inspection(_ path: String) throws -> Inspection {
    try Inspection(Source(path), digests: true, statistics: false, resources)
  }

  @Test func eachSpellingBecomesTheOther() throws {
    let (separate, stacked) = (fixture("mixtral"), fixture("mixtral_stacked"))
    try convert(separate, workspace.path("stacked"), to: "hf") { $0.settings.experts = .stacked }
    #expect(try tensors(workspace.path("stacked")) == tensors(stacked))
    try convert(stacked, workspace.path("separate"), to: "hf") { $0.settings.experts = .separate }
    #expect(try tensors(workspace.path("separate")) == tensors(separate))
    // Without being asked nothing changes.
    try convert(stacked, workspace.path("kept"), to: "hf")
    #expect(try tensors(workspace.path("kept")) == tensors(stacked))
  }

  @Test func bothAreIdenticalAndHaveOneCanonicalRoot() throws {
    let (separate, stacked) = (fixture("mixtral"), fixture("mixtral_stacked"))
    #expect(try compare(separate, stacked).isIdentical)
    #expect(try compare(stacked, separate).isIdentical)
    for (path, other) in [(separate, stacked), (stacked, separate)] {
      let report = try Verifier(path, OpenOptions(), resources).run(against: Source(other))
      #expect(!report.hasFindings(.warning), "\(report.findings)")
      #expect(report.checks.contains { $0.name == .against && $0.status == .passed })
    }
    let (one, other) = (try inspection(separate), try inspection(stacked))
    #expect(one.root != other.root)
    #expect(one.canonicalRoot == one.root && other.canonicalRoot == one.root)
    #expect(try inspection(fixture("llama")).canonicalRoot == nil)
    #expect(try inspection(fixture("gpt_oss")).canonicalRoot == nil)
  }

  @Test func aStoreAndGGUFKeepTheModel() throws {
    for name in ["mixtral_stacked", "qwen3_moe", "gpt_oss_mxfp4"] {
      let source = fixture(name)
      let (store, file) = (workspace.path("\(name).store"), workspace.path("\(name).gguf"))
      try convert(source, store, to: "store")
      #expect(try inspection(store).root == inspection(source).root)
      try convert(source, file, to: "gguf") {
        $0.openOptions.assetsDirectory = Fixtures.path("gguf/tokenizer")
      }
      let differences = try compare(source, file).differences
      #expect(differences.allSatisfy { $0.relation == .equalAfterWidening }, "\(differences)")
    }
  }

  /// Codes and scales go to GGUF and come back bit for bit, with the configuration that says so; as values where a dtype is asked for.
  @Test func mxfp4IsRepackedWithoutLoss() throws {
    let source = fixture("gpt_oss_mxfp4")
    try convert(source, workspace.path("m.gguf"), to: "gguf") {
      $0.openOptions.assetsDirectory = Fixtures.path("gguf/tokenizer")
    }
    let stored = try Source(workspace.path("m.gguf")).checkpoint.tensors
    #expect(stored.first { $0.name == "blk.0.ffn_up_exps.weight" }?.dtype == .mxfp4)
    try convert(workspace.path("m.gguf"), workspace.path("back"), to: "hf")
    let (back, original) = (try tensors(workspace.path("back")), try tensors(source))
    for (name, data) in original where name.contains("_blocks") || name.contains("_scales") {
      #expect(back[name] == data, "\(name)")
    }
    #expect(Set(back.keys) == Set(original.keys))
    let configuration = try String(
      contentsOfFile: workspace.path("back/config.json"), encoding: .utf8)
    #expect(configuration.contains("\"mxfp4\""))
    try convert(source, workspace.path("values"), to: "hf", dtype: .bf16)
    let values = try tensors(workspace.path("values"))
    #expect(values.keys.contains("model.layers.0.mlp.experts.gate_up_proj"))
    #expect(!values.keys.contains { $0.contains("_blocks") })
    let plain = try String(
      contentsOfFile: workspace.path("values/config.json"), encoding: .utf8)
    #expect(!plain.contains("mxfp4"))
    #expect(
      try compare(source, workspace.path("values")).differences.allSatisfy {
        $0.relation == .equalAfterWidening
      })
  }

  @Test func otherModelsHaveNoSpelling() throws {
    for (name, spelling) in [
      ("llama", Architecture.ExpertSpelling.stacked), ("gpt_oss", .separate),
    ] {
      let error = #expect(throws: CheckpointError.self) {
        try convert(fixture(name), workspace.path("x"), to: "hf") { $0.settings.experts = spelling }
      }
      #expect(error?.code == .unsupported && error?.hint?.contains("--experts") == true)
      #expect(error?.expected?.isEmpty == false)
    }
  }

  // MARK: Experts of several dtypes

  /// A mixture with one expert's gate in F32 among others in BF16.
  private func mixedSample(_ name: String) throws -> ModelSample {
    var sample = try ModelSample(name)
    sample.cast(to: "BF16")
    let wide = try ModelSample(name).tensors
    for index in sample.tensors.tensors.indices {
      let tensor = sample.tensors.tensors[index]
      let isGate = tensor.name.hasSuffix(".w1.weight") || tensor.name.hasSuffix("gate_proj.weight")
      guard isGate, tensor.name.contains("experts.1."), let own = wide[tensor.name] else {
        continue
      }
      sample.tensors.tensors[index] = own
    }
    return sample
  }

  /// In one tensor they are widened, so that nothing is rounded; nothing says then what they were, and neither has a canonical root.
  @Test(arguments: ["mixtral", "qwen3_moe"]) func expertsOfSeveralDTypesAreWidened(_ name: String)
    throws
  {
    let source = try mixedSample(name).write(workspace, "mixed")
    try convert(source, workspace.path("stacked"), to: "hf") { $0.settings.experts = .stacked }
    let differences = try compare(source, workspace.path("stacked")).differences
    #expect(!differences.isEmpty)
    #expect(differences.allSatisfy { $0.relation == .equalAfterWidening }, "\(differences)")
    #expect(try inspection(source).canonicalRoot == nil)
    let forward = try lockstep(source, workspace.path("stacked"), tokens: tokens(of: name))
    #expect(forward.maxAbsLogitDifference < 1e-4)
  }

  @Test func expertsOfBlocksHaveToBeSaidToBeSo() throws {
    var blocks = try ModelSample("gpt_oss_mxfp4")
    for method in [nil, "awq"] as [String?] {
      blocks.configuration["quantization_config"] = method.map { ["quant_method": $0] }
      let source = try blocks.write(workspace, "blocks")
      let model = try Source(source).model()
      #expect(model.problems.map(\.check) == ["quantization-claim"])
      // They are what they are: running and converting go on, and the copy says it.
      try model.requireSound()
      try convert(source, workspace.path("copy"), to: "hf") { $0.force = true }
      #expect(try Source(workspace.path("copy")).model().problems.isEmpty)
    }
    var plain = try ModelSample("gpt_oss")
    plain.configuration["quantization_config"] = ["quant_method": "mxfp4"]
    let problems = try Source(plain.write(workspace, "plain")).model().problems
    #expect(problems.map(\.check) == ["quantization-claim"])
    let report = try Verifier(workspace.path("plain"), OpenOptions(), resources).run(against: nil)
    #expect(report.hasFindings(.error))
  }

  // MARK: What is wrong

  private func model(
    _ name: String, _ edit: (inout ModelSample) -> Void
  ) throws -> ModelContents {
    var sample = try ModelSample(name)
    edit(&sample)
    return try Source(sample.write(workspace, "model")).model()
  }

  private func problems(
    _ name: String, _ edit: (inout ModelSample) -> Void
  ) throws -> [ModelProblem] { try model(name, edit).problems }

  @Test func anExpertThatIsLostIsNamed() throws {
    let lost = (1...3).map { "\(Self.experts).2.w\($0).weight" }
    let found = try problems("mixtral") {
      $0.tensors.tensors.removeAll { lost.contains($0.name) }
    }
    #expect(Set(found.compactMap(\.error.tensor)) == Set(lost))
    #expect(found.allSatisfy { $0.check == "tensor-missing" && $0.isFatal })
    let cut = try problems("mixtral_stacked") { sample in
      for index in sample.tensors.tensors.indices
      where sample.tensors.tensors[index].name == "model.layers.1.mlp.experts.down_proj" {
        sample.tensors.tensors[index].shape[0] = 3
        sample.tensors.tensors[index].data.removeLast(32 * 32 * 4)
      }
    }
    #expect(cut.map(\.error.tensor) == ["model.layers.1.mlp.experts.down_proj"])
  }

  @Test func anExpertTooManyIsNamed() throws {
    let found = try problems("mixtral") { sample in
      var extra = sample.tensors.tensors.first { $0.name == "\(Self.experts).3.w1.weight" }
      extra?.name = "\(Self.experts).4.w1.weight"
      sample.tensors.tensors.append(extra!)
    }
    #expect(found.map(\.check) == ["number-unknown"])
    #expect(found.first?.error.tensor == "\(Self.experts).4.w1.weight")
  }

  @Test func bothSpellingsInOneFileAreAnError() throws {
    let stacked = try ModelSample("mixtral_stacked")
    let found = try problems("mixtral") { sample in
      sample.tensors.tensors += stacked.tensors.tensors.filter { $0.name.contains("gate_up_proj") }
    }
    #expect(found.map(\.check) == ["expert-spellings"])
    #expect(found.first?.error.message.contains("twice") == true)
  }

  /// What one spelling lacks the other has: it is said once.
  @Test func layersInDifferentSpellingsAreSaidOnce() throws {
    let stacked = try ModelSample("mixtral_stacked")
    let found = try model("mixtral") { sample in
      sample.tensors.tensors.removeAll { $0.name.contains("layers.1.block_sparse_moe") }
      sample.tensors.tensors += stacked.tensors.tensors.filter { $0.name.contains("layers.1.mlp") }
    }
    #expect(found.problems.map(\.check) == ["expert-spellings"])
    #expect(found.problems.first?.error.message.contains("some layers") == true)
    #expect(found.findings.isEmpty, "\(found.findings)")
  }

  /// Blocks and values of different weights: nothing is there twice.
  @Test func weightsInDifferentSpellingsAreSaidOnce() throws {
    let plain = try ModelSample("gpt_oss")
    let found = try problems("gpt_oss_mxfp4") { sample in
      sample.tensors.tensors.removeAll {
        $0.name.contains("layers.1.mlp.experts.down_proj_") && !$0.name.hasSuffix("bias")
      }
      sample.tensors.tensors += plain.tensors.tensors.filter {
        $0.name.hasSuffix("layers.1.mlp.experts.down_proj")
      }
    }
    #expect(found.map(\.check) == ["expert-spellings"])
    #expect(found.first?.error.message.hasPrefix("some weights") == true)
  }

  @Test func scalesThatStandForNoNumberAreFound() throws {
    var sample = try ModelSample("gpt_oss_mxfp4")
    for index in sample.tensors.tensors.indices
    where sample.tensors.tensors[index].name == "model.layers.1.mlp.experts.down_proj_scales" {
      sample.tensors.tensors[index].data[0] = 255
    }
    let path = try sample.write(workspace, "nan")
    let report = try Verifier(path, OpenOptions(), resources).run(against: nil)
    #expect(report.findings.map(\.check) == ["nan"], "\(report.findings)")
  }

  @Test(arguments: ["9", "4", "99999999999999999999"])
  func numbersOfAnySizeAreTooMany(_ number: String) throws {
    let found = try problems("mixtral") { sample in
      var extra = sample.tensors.tensors.first { $0.name == "\(Self.experts).3.w1.weight" }
      extra?.name = "\(Self.experts).\(number).w1.weight"
      sample.tensors.tensors.append(extra!)
    }
    #expect(found.map(\.check) == ["number-unknown"])
  }

  @Test func aTransposedExpertIsNamed() throws {
    let found = try problems("qwen3_moe") { sample in
      for index in sample.tensors.tensors.indices
      where sample.tensors.tensors[index].name.hasSuffix("layers.0.mlp.experts.1.up_proj.weight") {
        sample.tensors.tensors[index].shape.reverse()
      }
    }
    #expect(found.map(\.check) == ["tensor-transposed"])
  }
}
