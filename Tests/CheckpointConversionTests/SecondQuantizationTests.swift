import CheckpointConversion
import CheckpointFormats
import Foundation
import Quantization
import TensorModel
import TestSupport
import Testing

/// Weights that lose something a second time are counted and named; such as are moved aren't.
@Suite struct SecondQuantizationTests {
  private static let gptj = Fixtures.path("huggingface/gptj")

  private func quantization(
    _ source: String, _ destination: String, _ scheme: String, dtype: DType? = nil,
    overrides: [String] = [], isStrict: Bool = false
  ) throws -> ConversionRequest {
    let scheme = try #require(QuantizationScheme(named: scheme))
    var request = request(source, destination, dtype: dtype) {
      $0.format = scheme.container.format
      $0.settings.quantization = QuantizationRequest(scheme)
      $0.settings.quantization?.isStrict = isStrict
    }
    for text in overrides {
      request.settings.quantization?.overrides.append(
        try TensorTypeOverride(text, scheme.container))
    }
    return request
  }

  private func findings(_ request: ConversionRequest, _ check: String) throws -> [Finding] {
    try convert(request).certificate.findings.filter { $0.check == check }
  }

  @Test func thoseThatAreQuantizedAnewAreNamed() throws {
    let room = try Workspace()
    try convert(quantization(Self.gptj, room.path("first"), "w4a16-g32", dtype: .bf16))
    let first = room.path("first")
    // All codes are moved; the embedding has none.
    #expect(
      try findings(quantization(first, room.path("moved"), "mlx-q4-g32"), "quantized-twice")
        .isEmpty)
    // One kind of weight gets another type.
    let some = try findings(
      quantization(
        first, room.path("some"), "mlx-q4-g32", overrides: ["fc_in=mlx-q8-g32"]),
      "quantized-twice")
    let layers = try Source(Self.gptj).model().tensors.count { $0.name.contains("fc_in.weight") }
    let message = try #require(some.first?.message)
    #expect(some.count == 1)
    #expect(message.hasPrefix("\(layers) weights (transformer.h.0.mlp.fc_in.weight"))
    #expect(!message.contains("q_proj") && message.contains("after compressed-tensors"))
    // All of them.
    let all = try findings(quantization(first, room.path("all"), "mlx-q8-g32"), "quantized-twice")
    #expect(all.first?.message.hasPrefix("\(6 * layers) weights (") == true)
    #expect(all.first?.message.contains(", …)") == true)
  }

  @Test func strictnessAllowsNone() throws {
    let room = try Workspace()
    try convert(quantization(Self.gptj, room.path("first"), "w4a16-g32", dtype: .bf16))
    let first = room.path("first")
    try convert(quantization(first, room.path("moved"), "mlx-q4-g32", isStrict: true))
    let error = failure(
      of: try quantization(first, room.path("again"), "mlx-q8-g32", isStrict: true))
    #expect(error?.code == .unsupported && error?.hint?.contains("--strict") == true)
    #expect(error?.tensor?.hasPrefix("transformer.h.0.") == true)
    #expect(!room.has("again"))
  }

  /// GPT-2's rows of 48 fill no groups of 32, but such of 16; GPT-J's rows of 64 fill both, and Llama's of 172 none.
  @Test(arguments: [
    ("gpt2", "mlx-q4-g32", "--scheme mlx-nvfp4,"), ("gptj", "mlx-q4-g128", "--scheme mlx-q4-g32,"),
    ("llama", "mlx-q4-g32", "leave out --strict:"),
  ])
  func hintsNameSchemesWhoseGroupsFit(
    _ fixture: String, _ scheme: String, _ expected: String
  ) throws {
    let room = try Workspace()
    let source = Fixtures.path("huggingface/\(fixture)")
    let error = failure(of: try quantization(source, room.path("out"), scheme, isStrict: true))
    #expect(error?.code == .unsupported)
    #expect(error?.hint?.contains(expected) == true, "\(error?.hint ?? "")")
  }

  /// A fixture as a GGUF file.
  @discardableResult
  private func file(
    _ fixture: String, _ name: String, _ scheme: String
  ) throws -> Certificate {
    var request = try quantization(Fixtures.path("huggingface/\(fixture)"), name, scheme)
    request.openOptions.assetsDirectory = Fixtures.path("gguf/tokenizer")
    return try convert(request).certificate
  }

  /// GPT-2's weights stand transposed in the model and not in files: blocks stay, or their codes are moved.
  @Test func blocksThatStandTransposedAreNotMadeAgain() throws {
    let room = try Workspace()
    let root = try file("gpt2", room.path("a.gguf"), "q8_0").root
    let a = room.path("a.gguf")
    for name in ["q8_0", "keep"] {
      var again = try quantization(a, room.path("\(name).gguf"), "q8_0")
      if name == "keep" { again.settings.quantization = nil }
      let outcome = try convert(again)
      #expect(!outcome.certificate.findings.contains { $0.check == "quantized-again" })
      #expect(outcome.certificate.root == root)
      #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
    }
    let moved = try convert(quantization(a, room.path("mlx"), "mlx-q8-g32")).certificate
    #expect(!moved.findings.contains { $0.check == "quantized-again" })
    let down = moved.tensors.filter { $0.name.contains("mlp.c_proj.weight") }
    #expect(down.count == 3 && down.allSatisfy { $0.exactness == .repacked })
    let anew = try findings(quantization(a, room.path("q4"), "mlx-q4-g32"), "quantized-again")
    #expect(anew.first?.message.hasPrefix("3 weights (transformer.h.0.mlp.c_proj.weight") == true)
  }

  /// gpt-oss's gates and values are taken apart and put together again between a file and a file.
  @Test func blocksInAnotherOrderAreCounted() throws {
    let room = try Workspace()
    try file("gpt_oss", room.path("a.gguf"), "q8_0")
    let again = try convert(quantization(room.path("a.gguf"), room.path("b.gguf"), "q4_0"))
    let made = again.certificate.tensors.filter { $0.dtype == .q4_0 }
    #expect(made.contains { $0.name == "blk.0.ffn_gate_exps.weight" })
    #expect(made.contains { $0.name == "blk.1.ffn_down_exps.weight" })
    let found = again.certificate.findings.filter { $0.check == "quantized-again" }
    #expect(found.map { $0.message.hasPrefix("\(made.count) weights (") } == [true])
    let error = failure(
      of: try quantization(room.path("a.gguf"), room.path("c.gguf"), "q8_0", isStrict: true))
    #expect(error?.tensor == "blk.0.ffn_gate_exps.weight")
    #expect(error?.message.hasPrefix("4 weights (") == true)
  }

  /// The embedding isn't quantized for vLLM: F16 hasn't the bits of Q8_0's values, and F32 has.
  @Test func blocksThatBecomeRoundedFloatsAreNamed() throws {
    let room = try Workspace()
    let file = Fixtures.path("gguf/mistral_window.Q4_0.gguf")
    let rounded = try convert(quantization(file, room.path("rounded"), "w4a16-g32")).certificate
    let found = rounded.findings.filter { $0.check == "values-rounded" }
    let names = rounded.tensors.filter { $0.exactness == .rounded }.map(\.name)
    #expect(names.contains("model.embed_tokens.weight"))
    #expect(found.map(\.tensor) == ["model.embed_tokens.weight"])
    #expect(found.first?.message.hasPrefix("\(counted(names.count, "weight")) (") == true)
    let error = failure(
      of: try quantization(
        file, room.path("strict"), "w4a16-g32", overrides: ["down_proj=f32"], isStrict: true))
    #expect(error?.code == .unsupported && error?.hint?.contains("--tensor-type") == true)
    let exact = try quantization(
      file, room.path("exact"), "w4a16-g32",
      overrides: ["down_proj=f32", "embed_tokens|lm_head=f32"],
      isStrict: true)
    let certificate = try convert(exact).certificate
    #expect(!certificate.tensors.contains { $0.exactness == .rounded })
    #expect(certificate.tensors.first { $0.name == "model.embed_tokens.weight" }?.dtype == .f32)
    // A dtype that was asked for is no finding, and codes are nothing that an embedding can be.
    let asked = try quantization(file, room.path("asked"), "w4a16-g32", dtype: .f16)
    #expect(try findings(asked, "values-rounded").isEmpty)
    let refused = failure(
      of: try quantization(
        file, room.path("refused"), "w4a16-g32", overrides: ["embed_tokens=w8a16-g128"]))
    #expect(refused?.code == .usage)
  }

  /// Scales of the weights' own dtype reach as far as these do; those of blocks don't.
  @Test(arguments: [
    ("w8a16-channel", true), ("fp8", true), ("w8a8", true), ("nvfp4a16", true), ("mxfp4a16", true),
    ("mlx-q8-g64", true), ("mlx-nvfp4", false), ("q8_0", false),
  ])
  func weightsOfAnySizeThatScalesHave(_ scheme: String, _ isFine: Bool) throws {
    let room = try Workspace()
    var sample = try SafetensorsSample(folder: Self.gptj)
    let name = "transformer.h.0.attn.q_proj.weight"
    let place = try #require(sample.tensors.firstIndex { $0.name == name })
    let floats: [Float] = sample.tensors[place].data.numbers()
    sample.tensors[place] = SampleTensor(
      name, sample.tensors[place].shape, floats: floats.map { $0 * 1e32 })
    let folder = room.path("source")
    try FileManager.default.copyItem(atPath: Self.gptj, toPath: folder)
    try sample.fileContents.write(to: URL(filePath: "\(folder)/model.safetensors"))
    let request = try quantization(folder, room.path(scheme == "q8_0" ? "out.gguf" : "out"), scheme)
    guard isFine else {
      #expect(failure(of: request)?.code == .overflow)
      return
    }
    let records = try convert(request).certificate.tensors.filter {
      $0.name.hasPrefix("transformer.h.0.attn.q_proj.weight")
        || $0.name.hasPrefix("model.h.0.attn.q_proj.weight")
    }
    #expect(
      records.contains { ($0.quantization?.relativeRmse).map { (1e-5..<0.2).contains($0) } == true }
    )
  }

  /// Rows of 64 fill no groups of 128, and heads aren't quantized.
  @Test func nothingIsSaidToBeQuantizedWhereNothingIs() throws {
    let room = try Workspace()
    let request = try quantization(
      Fixtures.path("huggingface/llama"), room.path("none"), "w4a16-g128")
    let plain = try convert(request).certificate.findings
    let isQuantized = try Source(room.path("none")).model().quantized != nil
    #expect(plain.contains { $0.check == "nothing-quantized" } == !isQuantized)
    #expect(!isQuantized)
    #expect(
      try findings(quantization(Self.gptj, room.path("q"), "fp8"), "nothing-quantized").isEmpty)
  }
}
