import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import Quantization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Checkpoints for mlx-lm: names, configuration, parts.
@Suite struct MLXWritingTests {
  private static let schemes = QuantizationScheme.all.filter { $0.container.format == "mlx" }

  private func request(
    _ workspace: Workspace, _ source: String, _ scheme: QuantizationScheme?,
    resources: EvaluationResources = smallResources,
    _ edit: (inout QuantizationRequest) throws -> Void = { _ in }
  ) throws -> ConversionRequest {
    var quantization = scheme.map { QuantizationRequest($0) }
    if var edited = quantization {
      try edit(&edited)
      quantization = edited
    }
    return CheckpointConversionTests.request(
      Fixtures.path("huggingface/\(source)"), workspace.path("out"), resources: resources
    ) {
      $0.format = "mlx"
      $0.settings.quantization = quantization
    }
  }

  private func configuration(_ workspace: Workspace) throws -> JSONValue {
    try JSONValue(parsing: [UInt8](workspace.contents("out/config.json")))
  }

  @Test(arguments: schemes) func everyMatrixThatFitsIsInParts(_ scheme: QuantizationScheme) throws {
    guard case .packed(let format) = scheme.type else {
      Issue.record("a scheme of MLX's without a format of its")
      return
    }
    let workspace = try Workspace()
    let request = try request(workspace, "gptj", scheme)
    let outcome = try convert(request)
    let plan = outcome.plan
    var packed = 0
    for group in plan.groups {
      let shape = group.valueShape
      let isMatrix = shape.rank == 2
      let fits = isMatrix && (shape.dimensions.last ?? 0).isMultiple(of: format.groupSize ?? 1)
      #expect(group.parts.count == (fits ? format.parts.count : 1), "\(group.name)")
      #expect(group.quantization?.choice.isSubstitution == (isMatrix && !fits))
      #expect(
        group.parts.allSatisfy { $0.name.hasPrefix("model.") || $0.name.hasPrefix("lm_head.") })
      packed += fits ? 1 : 0
    }
    #expect(packed > 0)
    let records = outcome.certificate.tensors
    #expect(records.count == plan.tensors.count)
    for record in records where record.dtype == .u32 {
      #expect(record.exactness == .rounded && record.quantization != nil)
      #expect(record.expression.hasPrefix("codes(pack("))
    }
    let written = try Source(workspace.path("out"), OpenOptions())
    #expect(MLXFormat.wrote(written.checkpoint))
    #expect(
      Set(written.checkpoint.tensors.map(\.name)) == Set(records.map(\.name)))
    for key in ["quantization", "quantization_config"] {
      #expect(try PackedFormat(mlx: configuration(workspace)[key]) == format)
    }
    let report = QuantizationReport(plan, QuantizationRequest(scheme), outcome.certificate)
    #expect(report.parameterCount == plan.groups.reduce(0) { $0 + $1.valueShape.elementCount })
    #expect(
      report.byteCount
        == records.reduce(0) { $0 + ($1.dtype.byteCount(elementCount: $1.shape.elementCount) ?? 0) }
    )
    #expect(report.tensors.count == plan.groups.count)
    // Made again from the source, part by part.
    let source = try Source(Fixtures.path("huggingface/gptj"), OpenOptions())
    let again = try #require(
      try Replanned.plan(of: source, like: written, statistics: InputStatistics(), smallResources)
    ).weights.flatMap(\.parts)
    let tasks = try again.map {
      EvaluationTask(
        name: $0.name,
        expression: try CompiledExpression($0.expression, in: source.reader.checkpoint))
    }
    let digests = DigestCollector()
    try EvaluationPipeline(source.reader, smallResources).run(tasks, digests)
    let expected = Dictionary(uniqueKeysWithValues: records.map { ($0.name, $0.digest) })
    #expect(again.count == expected.count)
    for (place, output) in again.enumerated() {
      #expect(digests[place]?.digest == expected[output.name], "\(output.name)")
    }
  }

  @Test func resumesWithEveryPart() throws {
    let scheme = try #require(QuantizationScheme(named: "mlx-q4-g32"))
    try expectResumed(everyCall: 5) { workspace, resources in
      try request(workspace, "llama", scheme, resources: resources)
    }
  }

  @Test func singleTensorsHaveTypesOfTheirOwn() throws {
    let scheme = try #require(QuantizationScheme(named: "mlx-q4-g64"))
    let workspace = try Workspace()
    let outcome = try convert(
      request(workspace, "llama", scheme) {
        $0.overrides = [
          try TensorTypeOverride("layers.0.*v_proj=mlx-q6-g32", scheme.container),
          try TensorTypeOverride("o_proj=f16", scheme.container),
        ]
        $0.outputType = scheme.container.type(named: "mlx-mxfp8")
      })
    func parts(_ name: String) -> [DType] {
      outcome.plan.groups.first { $0.name == name }?.parts.map(\.type.dtype) ?? []
    }
    #expect(parts("model.layers.0.self_attn.v_proj.weight") == [.u32, .f32, .f32])
    #expect(parts("model.layers.0.self_attn.o_proj.weight") == [.f16])
    #expect(parts("lm_head.weight") == [.u32, .u8])
    let quantization = try configuration(workspace)["quantization"]
    #expect(PackedFormat(mlx: quantization) == PackedFormat(named: "mlx-q4-g64"))
    #expect(
      PackedFormat(mlx: quantization?["model.layers.0.self_attn.v_proj"])
        == PackedFormat(named: "mlx-q6-g32"))
    #expect(PackedFormat(mlx: quantization?["lm_head"]) == PackedFormat(named: "mlx-mxfp8"))
    #expect(quantization?["model.layers.0.self_attn.q_proj"] == nil)
  }

  @Test(arguments: [
    ("gptj", ["model.wte.weight", "model.h.0.attn.q_proj.weight", "lm_head.bias"]),
    ("gpt2", ["model.wpe.weight", "model.h.0.attn.c_attn.weight", "model.ln_f.bias"]),
    (
      "gpt_neox",
      ["model.embed_in.weight", "model.h.0.attention.dense.bias", "model.embed_out.weight"]
    ),
    ("llama", ["model.embed_tokens.weight", "lm_head.weight"]),
  ])
  func namesAreMLXs(_ family: String, _ names: [String]) throws {
    let workspace = try Workspace()
    let outcome = try convert(request(workspace, family, nil))
    let written = Set(outcome.plan.tensors.map(\.name))
    for name in names { #expect(written.contains(name), "\(name)") }
    #expect(workspace.has("out/model.safetensors.index.json"))
    #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
    let keys = try #require(try configuration(workspace).members).map(\.key)
    #expect(keys == keys.sorted())
    #expect(!keys.contains("quantization"))
  }

  @Test func keysOfEarlierTransformersAreThere() throws {
    for (family, keys) in [
      ("gpt2", ["n_ctx"]), ("gpt_neox", ["rotary_emb_base", "rotary_pct"]),
      ("llama", ["rope_theta", "head_dim"]),
    ] {
      let workspace = try Workspace()
      let outcome = try convert(request(workspace, family, nil))
      let document = try configuration(workspace)
      for key in keys { #expect(document[key]?.double != nil, "\(key)") }
      let isGELU = family == "gpt_neox"
      #expect(outcome.plan.findings.contains { $0.check == "mlx-gelu" } == isGELU)
    }
  }

  /// GPT-2's matrices lie the other way round, and positions are embeddings too.
  @Test func matricesOfGPT2AreTurned() throws {
    let workspace = try Workspace()
    let outcome = try convert(request(workspace, "gpt2", nil))
    let record = try #require(
      outcome.certificate.tensors.first { $0.name == "model.h.0.attn.c_attn.weight" })
    #expect(record.expression == "transpose(transformer.h.0.attn.c_attn.weight)")
    #expect(record.shape.dimensions[0] == 3 * record.shape.dimensions[1])
  }

  /// A copy says whose its names are; weights that were quantized anew aren't those that they are of.
  @Test func whatIsMadeOfThemIsVerified() throws {
    let workspace = try Workspace()
    let schemes = try ["mlx-q4-g32", "mlx-mxfp4"].map { name in
      try #require(Self.schemes.first { $0.name == name })
    }
    try convert(request(workspace, "gptj", schemes[0]))
    let first = workspace.path("out")
    try convert(first, workspace.path("copy")) { $0.format = "safetensors" }
    try convert(first, workspace.path("again")) {
      $0.format = "mlx"
      $0.settings.quantization = QuantizationRequest(schemes[1])
    }
    for name in ["copy", "again"] {
      let report = try Verifier(workspace.path(name), OpenOptions(), smallResources)
        .run(against: Source(first))
      #expect(!report.findings.contains { $0.severity == .error }, "\(name): \(report.findings)")
    }
  }
}
