import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// GGUF files that gguf-py has written, made models of Hugging Face's.
@Suite struct GGUFReadingTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// What `fixtures/gguf/make.py` says of its files.
  struct Sample: Decodable, Sendable {
    let model: String
    let type: String
    let root: String
    let is_exact: Bool
  }
  static let samples =
    (try? JSONDecoder().decode(
      [String: Sample].self, from: Data(Fixtures.bytes("gguf/expected.json")))) ?? [:]
  static let names = samples.keys.sorted()

  @Test(arguments: names) func valuesAreThoseOfTheReference(_ name: String) throws {
    let sample = try #require(Self.samples[name])
    let path = Fixtures.path("gguf/\(name)")
    let outcome = try convert(path, workspace.path("out"), dtype: .f32)
    #expect("\(outcome.certificate.root)" == sample.root)
    #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
    let left = outcome.certificate.findings.filter { $0.check == "metadata-left-out" }
    #expect(left.count == 1 && left.first?.message.contains("general.architecture") == true)
    let original = Fixtures.path("huggingface/\(sample.model)")
    let copy = try convert(original, workspace.path("copy"))
    #expect((copy.certificate.root == outcome.certificate.root) == sample.is_exact)
    let report = try Verifier(workspace.path("out"), OpenOptions(), smallResources).run(
      against: Source(path))
    #expect(report.findings.isEmpty, "\(report.findings)")
  }

  /// Everything that the forward pass looks at.
  @Test(arguments: names) func configurationsAreThoseOfTheOriginals(_ name: String) throws {
    let sample = try #require(Self.samples[name])
    func configuration(_ path: String) throws -> DecoderConfiguration {
      let bytes = try #require(try Source(path).huggingFaceConfiguration())
      return try DecoderConfiguration(HuggingFaceConfiguration(parsing: bytes))
    }
    let original = try configuration(Fixtures.path("huggingface/\(sample.model)"))
    #expect(try configuration(Fixtures.path("gguf/\(name)")) == original)
    try convert(Fixtures.path("gguf/\(name)"), workspace.path("out"), dtype: .f32)
    #expect(try configuration(workspace.path("out")) == original)
    let written = try HuggingFaceConfiguration(
      parsing: [UInt8](workspace.contents("out/config.json")))
    #expect(written.modelType == original.family)
  }

  @Test(arguments: names) func storesKeepTheBlocks(_ name: String) throws {
    let path = Fixtures.path("gguf/\(name)")
    let outcome = try convertToStore(path, workspace.path("x.store"))
    let kept = try Source(workspace.path("x.store")).checkpoint
    let type = try #require(Self.samples[name]).type
    #expect(Set(kept.tensors.map(\.dtype.rawValue)) == [type, "F32"])
    #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
    #expect(try !verification(of: workspace.path("x.store")).hasFindings(.error))
    // The same values come out of both.
    let values = try convert(path, workspace.path("a"), dtype: .bf16)
    let stored = try convert(workspace.path("x.store"), workspace.path("b"), dtype: .bf16)
    #expect(values.certificate.root == stored.certificate.root)
    #expect(
      try workspace.contents("a/model.safetensors") == workspace.contents("b/model.safetensors"))
  }

  @Test func formatsWithoutBlocksNeedADType() throws {
    let path = Fixtures.path("gguf/gptj.Q8_0.gguf")
    for format in ["safetensors", "npz", "mesh-transformer"] {
      let error = failure(of: request(path, workspace.path("x")) { $0.format = format })
      #expect(error?.code == .unsupported, "\(format): \(error?.description ?? "")")
      #expect(error?.hint?.contains("--dtype f16") == true, "\(format)")
      #expect(!workspace.has("x"))
    }
  }

  /// Every format, in many chunks and in one.
  @Test(arguments: [4, 1000]) func storesKeepBlocksOfEveryFormat(_ rows: Int) throws {
    var random = FixedRandom(seed: 9)
    var file = GGUFBuilder()
    for dtype in DType.allCases.filter(\.isBlockQuantized) {
      let columns = UInt64(dtype.blockElementCount)
      let bytes = random.bytes(rows * dtype.blockByteCount)
      file.add(
        tensor: dtype.rawValue, type: UInt32(try #require(dtype.ggmlType)),
        extents: [columns, UInt64(rows)], bytes)
    }
    let source = try workspace.write("in.gguf", Data(file.contents))
    for compression in ConversionPlan.Compression.samples {
      let name = "\(compression).store"
      let outcome = try convertToStore(source, workspace.path(name), compression)
      let found = try contents(of: workspace.path(name))
      #expect(found == (try contents(of: source)) && found.count == 14)
      let report = try verification(of: workspace.path(name))
      #expect(!report.hasFindings(.error) && report.root == outcome.certificate.root)
    }
  }

  /// Cut into shards, which blocks can't be.
  @Test func valuesOfBlocksGoIntoMeshShards() throws {
    let path = Fixtures.path("gguf/gptj.Q8_0.gguf")
    try convert(path, workspace.path("mesh"), dtype: .f32) {
      $0.format = "mesh-transformer"
      $0.settings.sharding = .count(2)
    }
    let back = try convert(workspace.path("mesh"), workspace.path("back"))
    #expect("\(back.certificate.root)" == Self.samples["gptj.Q8_0.gguf"]?.root)
  }

  @Test func expressionsSayWhatWasDone() throws {
    func expression(_ file: String, _ name: String, _ dtype: DType?) throws -> String? {
      let outcome = try convert(
        Fixtures.path("gguf/\(file)"), workspace.path("\(file) \(name)"), dtype: dtype)
      return outcome.certificate.tensors.first { $0.name == name }?.expression
    }
    #expect(
      try expression("gptj.Q8_0.gguf", "transformer.h.0.attn.q_proj.weight", .f16)
        == "cast(permuteRows(blk.0.attn_q.weight, pairs of 4 × 16 rows, 8 rotated), F16)")
    #expect(
      try expression("gpt2.F16.gguf", "transformer.h.0.attn.c_attn.weight", nil)
        == "transpose(blk.0.attn_qkv.weight)")
  }
}
