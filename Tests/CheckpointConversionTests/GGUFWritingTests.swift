import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import ModelArchitectures
import Quantization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// GGUF files for llama.cpp.
@Suite struct GGUFWritingTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func configuration(_ path: String) throws -> DecoderConfiguration {
    let bytes = try #require(try Source(path).huggingFaceConfiguration())
    return try DecoderConfiguration(HuggingFaceConfiguration(parsing: bytes))
  }

  static let expressible = [
    "gptj", "gpt2", "gpt_neox", "gpt_neox_sequential", "llama", "llama_biases", "mistral_window",
    "qwen2_tied", "llama_rope_linear", "llama_rope_llama3",
  ]

  // MARK: There and back

  @Test(arguments: expressible) func comesBackBitForBit(_ name: String) throws {
    let original = Fixtures.path("huggingface/\(name)")
    let written = try convert(workspace.toGGUF(name))
    #expect(written.certificate.tensors.allSatisfy { $0.exactness == .exact })
    #expect(workspace.names() == ["x.certificate.json", "x.gguf"])
    let back = try convert(workspace.path("x.gguf"), workspace.path("back"))
    let copy = try convert(original, workspace.path("copy"))
    #expect(back.certificate.root == copy.certificate.root)
    #expect(try configuration(workspace.path("x.gguf")) == configuration(original))
    #expect(try configuration(workspace.path("back")) == configuration(original))
    let report = try Verifier(workspace.path("x.gguf"), OpenOptions(), smallResources).run(
      against: Source(original))
    #expect(!report.hasFindings(.error), "\(report.findings)")
  }

  /// The source's `quantization_config` and `quantization` are of its codes: no file of values has them.
  @Test(arguments: ["w4a16-g32", "mlx-q4-g32"])
  func nothingIsSaidOfTheCodesOfTheSource(_ first: String) throws {
    func quantize(_ source: String, _ name: String, _ scheme: String) throws {
      let scheme = try #require(QuantizationScheme(named: scheme))
      try convert(
        request(source, workspace.path(name), dtype: .bf16) {
          $0.format = scheme.container.format
          $0.settings.quantization = QuantizationRequest(scheme)
        })
    }
    func claims(_ name: String) throws -> [String] {
      let bytes = try #require(try Source(workspace.path(name)).huggingFaceConfiguration())
      let document = try HuggingFaceConfiguration(parsing: bytes).document
      return QuantizedWeights.configurationKeys.filter { document[$0] != nil }
    }
    try quantize(Fixtures.path("huggingface/gptj"), "codes", first)
    let own = try claims("codes")
    #expect(!own.isEmpty)
    try convert(workspace.toGGUF(workspace.path("codes"), dtype: .f16))
    let kept = try #require(try workspace.ggufHeader()[GGUFConfiguration.documentKey]?.text)
    #expect(kept.contains("n_embd") && !kept.contains("quantization"))
    #expect(try claims("x.gguf").isEmpty)
    // Nor where somebody gives the configuration of the codes with the file.
    let given = try Data(contentsOf: URL(filePath: workspace.path("codes/config.json")))
    for (name, format) in [("hf", "safetensors"), ("store", "store"), ("mlx", "mlx")] {
      try convert(
        request(workspace.path("x.gguf"), workspace.path(name), dtype: .f16) {
          $0.format = format
          $0.openOptions.configuration = Array(given)
          $0.openOptions.replacesConfiguration = true
        })
      #expect(try claims(name).isEmpty)
    }
    try quantize(workspace.path("x.gguf"), "compressed", "w8a16-channel")
    try quantize(workspace.path("codes"), "compressed-again", "w8a16-channel")
    #expect(try claims("compressed") == ["quantization_config"])
    #expect(try claims("compressed-again") == ["quantization_config"])
    try quantize(workspace.path("x.gguf"), "mlx-again", "mlx-q4-g32")
    #expect(try Set(claims("mlx-again")) == ["quantization_config", "quantization"])
    #expect(try Source(workspace.path("mlx-again")).model().problems.isEmpty)
  }

  /// Gemma's norms are written with 1 added, which rounds what F32 has and BF16 hasn't.
  @Test(arguments: ["gemma2", "gemma3_text"])
  func normsWithOneAddedAreCertifiedAndAgree(_ name: String) throws {
    var model = try ModelSample(name)
    model.widen()
    model.edit("model.norm.weight") { $0 = $0.map { $0 * 0.123_456_7 } }
    let original = try model.write(workspace, "f32")
    let written = try convert(workspace.toGGUF(original))
    let norm = try #require(written.certificate.tensors.first { $0.name == "output_norm.weight" })
    #expect(norm.exactness == .rounded && norm.largestErrorUlp > 0 && norm.largestErrorUlp <= 0.5)
    let others = written.certificate.tensors.filter { $0.shape.rank > 1 }
    #expect(others.allSatisfy { $0.exactness == .exact })
    let file = workspace.path("x.gguf")
    let report = try Verifier(file, OpenOptions(), smallResources).run(against: Source(original))
    #expect(!report.hasFindings(.error), "\(report.findings)")
    // Against a copy of itself it agrees too, and written again it is the same.
    let again = try convert(workspace.toGGUF(file, "again.gguf"))
    #expect(again.certificate.root == written.certificate.root)
    // The way back says that something may be gone.
    let back = try convert(file, workspace.path("back"))
    #expect(back.certificate.findings.contains { $0.check == "gguf-norms" })
    model.edit("model.norm.weight") { $0[0] += 0.5 }
    let other = try Verifier(file, OpenOptions(), smallResources).run(
      against: Source(model.write(workspace, "other")))
    #expect(other.hasFindings(.error))
  }

  @Test(arguments: ["gemma2", "gemma3_text"])
  func normsOfBFloat16WithOneAddedAreExact(_ name: String) throws {
    var model = try ModelSample(name)
    model.widen()
    for tensor in model.tensors.tensors where tensor.name.hasSuffix("norm.weight") {
      model.edit(tensor.name) { $0 = $0.map { abs($0) < 0.01 ? 0 : $0 } }
    }
    model.cast(to: "BF16")
    let original = try model.write(workspace, "bf16")
    let written = try convert(workspace.toGGUF(original))
    #expect(written.certificate.tensors.allSatisfy { $0.exactness == .exact })
    let back = try convert(workspace.path("x.gguf"), workspace.path("back"), dtype: .bf16)
    let copy = try convert(original, workspace.path("copy"))
    #expect(back.certificate.root == copy.certificate.root)
  }

  @Test(arguments: expressible, [DType.f16, .bf16])
  func matricesAreRoundedOnceAndVectorsAreNot(_ name: String, _ dtype: DType) throws {
    try convert(workspace.toGGUF(name, dtype: dtype))
    let header = try workspace.ggufHeader()
    for tensor in header.tensors {
      let isVector = tensor.shape.rank < 2 || tensor.name.hasPrefix("position_embd")
      #expect(tensor.dtype == (isVector ? .f32 : dtype), "\(tensor.name)")
    }
    #expect(header["general.file_type"] == .unsigned(dtype == .f16 ? 1 : 32, .uint32))
    let back = try convert(workspace.path("x.gguf"), workspace.path("back"), dtype: dtype)
    let direct = try convert(
      Fixtures.path("huggingface/\(name)"), workspace.path("direct"), dtype: dtype)
    #expect(back.certificate.root == direct.certificate.root)
  }

  /// What gguf-py reads, and llama.cpp needs.
  @Test(arguments: expressible) func tensorsAreThoseOfTheGraph(_ name: String) throws {
    try convert(workspace.toGGUF(name))
    let header = try workspace.ggufHeader()
    let names = Set(header.tensors.map(\.name))
    #expect(names.isSuperset(of: ["token_embd.weight", "output_norm.weight"]))
    #expect(names.contains("output.weight") == !["gpt2", "qwen2_tied"].contains(name))
    #expect(names.allSatisfy { !$0.contains("rotary") && !$0.contains("masked") })
    let graph = try #require(header["general.architecture"]?.text)
    let layers = try #require(header["\(graph).block_count"]?.integer)
    for layer in 0..<layers {
      #expect(names.contains("blk.\(layer).attn_output.weight"))
      if graph == "phi2" {
        for part in ["q", "k", "v", "output"] {
          let tensor = header.tensors.first { $0.name == "blk.\(layer).attn_\(part).bias" }
          #expect(tensor?.dtype == .f32 && tensor?.shape == [64])
        }
        #expect(names.contains("output.bias") && !names.contains("blk.\(layer).ffn_norm.weight"))
      }
    }
  }

  /// `fixtures/gguf/written.json` is what gguf-py reads of these files' metadata.
  @Test(arguments: expressible) func metadataAreAsTheReferenceReadsThem(_ name: String) throws {
    try convert(workspace.toGGUF(name))
    let object = try JSONSerialization.jsonObject(
      with: Data(Fixtures.bytes("gguf/written.json")))
    let golden = try #require((object as? [String: [String: Any]])?[name])
    let header = try workspace.ggufHeader()
    // Keys of our own that came later.
    let own: Set = [GGUFConfiguration.documentKey, "weighbridge.tokenizer.composes_text"]
    #expect(Set(header.metadata.map(\.key)).subtracting(own) == Set(golden.keys).subtracting(own))
    for (key, value) in header.metadata where !own.contains(key) {
      let expected = try #require(golden[key] as? [Any], "\(key)")
      #expect(expected.first as? String == "\(value.type)".uppercased(), "\(key)")
      let found: [String] =
        value.array.map { $0.texts ?? $0.values?.map(\.description) ?? [] } ?? [value.description]
      let texts = (expected[1] as? [Any] ?? [expected[1]]).map { "\($0)" }
      #expect(found == texts, "\(key)")
    }
  }

  // MARK: Rotary positions

  @Test func scaledPositionsAreKeysOrATensor() throws {
    try convert(workspace.toGGUF("llama_rope_linear"))
    let linear = try workspace.ggufHeader()
    #expect(linear["llama.rope.scaling.type"]?.text == "linear")
    #expect(linear["llama.rope.scaling.factor"] == .float(2.5, .float32))
    #expect(!linear.tensors.contains { $0.name == "rope_freqs.weight" })
    let written = try convert(workspace.toGGUF("llama_rope_llama3", "y.gguf", dtype: .f16))
      .certificate
    let llama3 = try workspace.ggufHeader("y.gguf")
    #expect(llama3["llama.rope.scaling.type"] == nil)
    let divisors = try #require(llama3.tensors.first { $0.name == "rope_freqs.weight" })
    #expect(divisors.dtype == .f32 && divisors.shape == [4])
    // The small tokenizer isn't the model's.
    let expected = ["tokenizer-small", "special-token"]
    #expect(
      !written.findings.contains { $0.severity == .warning && !expected.contains($0.check) })
    let source = try Source(workspace.path("y.gguf"))
    #expect(try !source.model().tensors.contains { $0.name == "rope_freqs.weight" })
  }

  @Test(arguments: [
    ("llama", "dynamic", "'dynamic'"),
    ("llama", "longrope", "scaled by 'longrope' for this family"),
    ("qwen2_tied", "llama3", "'llama3' for this family"),
  ])
  func otherScalingIsRefusedByName(_ name: String, _ kind: String, _ reason: String) throws {
    var sample = try ModelSample(name)
    sample.configuration["rope_parameters"] = [
      "rope_type": kind, "rope_theta": 10000, "factor": 8, "low_freq_factor": 1,
      "high_freq_factor": 4, "original_max_position_embeddings": 32,
    ]
    if kind == "dynamic" {
      sample.configuration["rope_parameters"] = [
        "rope_type": kind, "rope_theta": 10000, "factor": 8,
      ]
    }
    if kind == "longrope" {
      let pairs = (sample.configuration["hidden_size"] as? Int ?? 0) / 8
      let factors = (0..<pairs).map { 1 + Double($0) / 8 }
      sample.configuration["rope_parameters"] =
        [
          "rope_type": kind, "rope_theta": 10000, "original_max_position_embeddings": 32,
          "short_factor": factors, "long_factor": factors,
        ] as [String: Any]
    }
    let error = try failure(of: workspace.toGGUF(sample.write(workspace, "model")))
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains(reason) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains(kind) == true)
  }

  /// A configuration that is given has to be the one that the divisors are of.
  @Test func divisorsFollowFromTheConfiguration() throws {
    try convert(workspace.toGGUF("llama_rope_llama3"))
    for (name, isFine) in [("llama_rope_llama3", true), ("llama_rope_linear", false)] {
      var options = OpenOptions()
      options.configuration = try Fixtures.bytes("huggingface/\(name)/config.json")
      let source = try Source(workspace.path("x.gguf"), options)
      if isFine {
        #expect(try !source.model().tensors.isEmpty)
      } else {
        let error = #expect(throws: CheckpointError.self) { try source.model() }
        #expect(error?.code == .malformed && error?.tensor == "rope_freqs.weight")
      }
    }
  }

  // MARK: Files

  @Test func theEndingSaysTheFormat() throws {
    let outcome = try convert(workspace.toGGUF("qwen2_tied") { $0.format = nil })
    #expect(outcome.certificate.format == "gguf")
    let error = failure(of: workspace.toGGUF("qwen2_tied", "y.gguf") { $0.format = "safetensors" })
    #expect(error?.code == .usage)
  }

  @Test(arguments: ["gptj", "qwen2_tied"]) func splitSetsComeBack(_ name: String) throws {
    try convert(workspace.toGGUF(name, "set") { $0.settings.sharding = .maximumByteCount(40_000) })
    let parts = workspace.names(in: "set").filter { $0.hasSuffix(".gguf") }
    #expect(parts.count > 1)
    for (index, part) in parts.enumerated() {
      #expect(part.hasSuffix("-of-\(String(parts.count + 100_000).dropFirst()).gguf"))
      let header = try workspace.ggufHeader("set/\(part)")
      #expect(header["split.no"] == .unsigned(UInt64(index), .uint16))
      #expect(header["split.count"] == .unsigned(UInt64(parts.count), .uint16))
      #expect((header["general.architecture"] != nil) == (index == 0))
    }
    try convert(workspace.toGGUF(name))
    #expect(
      try Source(workspace.path("set")).checkpoint.tensors.count
        == workspace.ggufHeader().tensors.count)
    #expect(
      try workspace.ggufHeader("set/\(parts[0])")["split.tensors.count"]?.integer
        == workspace.ggufHeader().tensors.count)
    let back = try convert(workspace.path("set"), workspace.path("back"))
    let copy = try convert(Fixtures.path("huggingface/\(name)"), workspace.path("copy"))
    #expect(back.certificate.root == copy.certificate.root)
    #expect(
      try configuration(workspace.path("set"))
        == configuration(Fixtures.path("huggingface/\(name)")))
    #expect(try !verification(of: workspace.path("set")).hasFindings(.error))
  }

  @Test func aDirectoryHoldsOneFileOtherwise() throws {
    try convert(workspace.toGGUF("qwen2_tied", "out"))
    #expect(workspace.names(in: "out") == ["model.gguf", "weighbridge-certificate.json"])
    try convert(workspace.toGGUF("qwen2_tied"))
    #expect(try workspace.contents("out/model.gguf") == workspace.contents("x.gguf"))
  }

  /// From what is in blocks already: they stay, in the graph's order again.
  @Test(arguments: ["gptj.Q8_0.gguf", "gpt_neox_sequential.Q5_1.gguf", "mistral_window.Q4_0.gguf"])
  func blocksStayBlocks(_ name: String) throws {
    let source = Fixtures.path("gguf/\(name)")
    try convert(workspace.toGGUF(source) { $0.settings.dtype = nil })
    let original = try contents(of: source)
    #expect(try contents(of: workspace.path("x.gguf")) == original)
    let type = try #require(GGUFReadingTests.samples[name]).type
    let numbers = ["Q8_0": 7, "Q5_1": 9, "Q4_0": 2]
    #expect(try workspace.ggufHeader()["general.file_type"]?.integer == numbers[type])
    try convert(workspace.toGGUF(source, "f16.gguf", dtype: .f16))
    #expect(try workspace.ggufHeader("f16.gguf").tensors.allSatisfy { !$0.dtype.isBlockQuantized })
  }

  @Test func resumedOrNotTheBytesAreTheSame() throws {
    func gguf(_ name: String, _ resources: EvaluationResources, resume: Bool = false)
      -> ConversionRequest
    {
      workspace.toGGUF("gptj", name, dtype: .f16) {
        $0.resources = resources
        $0.resume = resume
      }
    }
    let never = Interruption(at: 0)
    try convert(gguf("whole.gguf", never.resources()))
    let whole = try workspace.contents("whole.gguf")
    for call in stride(from: 1, through: never.callCount, by: 9) {
      let interrupted = gguf("r\(call).gguf", Interruption(at: call).resources())
      #expect(failure(of: interrupted)?.code == .interrupted)
      try convert(gguf("r\(call).gguf", smallResources, resume: true))
      #expect(try workspace.contents("r\(call).gguf") == whole)
    }
  }
}
