import CheckpointFormats
import FileContainers
import Foundation
import Quantization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Checkpoints for vLLM and transformers: parts, configuration, what is left as it is.
@Suite struct CompressedTensorsWritingTests {
  private static let schemes = QuantizationScheme.all.filter {
    $0.container.title == "compressed-tensors"
  }

  private func request(
    _ workspace: Workspace, _ source: String, _ scheme: QuantizationScheme,
    to destination: String = "out", resources: EvaluationResources = smallResources,
    _ edit: (inout QuantizationRequest) throws -> Void = { _ in }
  ) throws -> ConversionRequest {
    var quantization = QuantizationRequest(scheme)
    try edit(&quantization)
    return CheckpointConversionTests.request(
      Fixtures.path("huggingface/\(source)"), workspace.path(destination), resources: resources
    ) {
      $0.format = "safetensors"
      $0.settings.quantization = quantization
    }
  }

  private func quantization(_ workspace: Workspace) throws -> JSONValue {
    let document = try JSONValue(parsing: [UInt8](workspace.contents("out/config.json")))
    return try #require(document["quantization_config"])
  }

  @Test(arguments: schemes) func linearLayersThatFitAreInParts(
    _ scheme: QuantizationScheme
  ) throws {
    guard case .packed(let format) = scheme.type else {
      Issue.record("a scheme without a format of several tensors")
      return
    }
    let workspace = try Workspace()
    let outcome = try convert(request(workspace, "llama", scheme))
    let records = outcome.certificate.tensors
    var packed = 0
    for group in outcome.plan.groups {
      let isLinear = group.name.contains("_proj.")
      let fits = isLinear && format.fits(columns: group.valueShape.dimensions.last ?? 0)
      #expect(group.parts.count == (fits ? format.parts.count : 1), "\(group.name)")
      #expect(group.quantization?.choice.isSubstitution == (isLinear && !fits))
      packed += fits ? 1 : 0
    }
    // The model's rows are shorter than some groups.
    #expect(packed > 0 || format.groupSize == 128)
    // What says how parts are to be read is exact; codes and scales have the weight's errors.
    for record in records where record.name.contains("weight_") {
      let isConstant = ["weight_shape", "weight_global_scale"].contains {
        record.name.hasSuffix($0)
      }
      #expect((record.exactness == .exact) == isConstant, "\(record.name)")
      #expect((record.quantization == nil) == isConstant)
    }
    let settings = try quantization(workspace)
    #expect(settings["quant_method"]?.text == "compressed-tensors")
    #expect(settings["quantization_status"]?.text == "compressed")
    let groups = try #require(settings["config_groups"]?.members).map(\.value)
    #expect(groups.count == 1)
    #expect(groups.compactMap { PackedFormat(compressedTensors: $0, layout: nil) } == [format])
    let ignored = settings["ignore"]?.elements?.compactMap(\.text) ?? []
    let left = outcome.plan.groups.filter { $0.parts.count == 1 && $0.name.contains("_proj.") }
    #expect(Set(ignored) == Set(left.map { String($0.name.dropLast(7)) } + ["lm_head"]))
    // It is a source again, of the same values, and made again part by part.
    let written = try Source(workspace.path("out"), OpenOptions())
    let model = try written.model()
    #expect(model.quantized?.weights.count ?? 0 == packed)
    #expect(model.problems.isEmpty)
    // Where nothing fits, it is a copy.
    guard packed > 0 else { return }
    let source = try Source(Fixtures.path("huggingface/llama"), OpenOptions())
    let again = try #require(
      try Replanned.plan(of: source, like: written, statistics: InputStatistics(), smallResources)
    ).weights.flatMap(\.parts)
    let digests = DigestCollector()
    try EvaluationPipeline(source.reader, smallResources).run(
      try again.map {
        EvaluationTask(
          name: $0.name,
          expression: try CompiledExpression($0.expression, in: source.reader.checkpoint))
      }, digests)
    let expected = Dictionary(uniqueKeysWithValues: records.map { ($0.name, $0.digest) })
    #expect(again.count == expected.count)
    for (place, output) in again.enumerated() {
      #expect(digests[place]?.digest == expected[output.name], "\(output.name)")
    }
  }

  @Test(arguments: ["fp8-block", "nvfp4a16"]) func resumesWithEveryPart(_ name: String) throws {
    let scheme = try #require(QuantizationScheme(named: name))
    try expectResumed(everyCall: 7) { workspace, resources in
      try request(workspace, "llama", scheme, resources: resources)
    }
  }

  /// vLLM makes one layer of queries, keys and values, and of gate and up, with one scale.
  @Test func fusedLayersShareTheScaleOfATensor() throws {
    let scheme = try #require(QuantizationScheme(named: "nvfp4a16"))
    let workspace = try Workspace()
    let outcome = try convert(request(workspace, "llama", scheme))
    var scales: [String: Set<String>] = [:]
    for group in outcome.plan.groups {
      guard case .pack(_, let format, _) = group.expression else { continue }
      let layer = group.name.split(separator: ".").prefix(4).joined(separator: ".")
      let isAlone = group.name.contains("o_proj") || group.name.contains("down_proj")
      let key = isAlone ? group.name : layer
      scales[key, default: []].insert(format.description)
    }
    #expect(scales.count >= 4)
    #expect(scales.values.allSatisfy { $0.count == 1 })
  }

  @Test func singleLayersHaveFormatsOfTheirOwn() throws {
    let scheme = try #require(QuantizationScheme(named: "w4a16-g32"))
    let workspace = try Workspace()
    let outcome = try convert(
      request(workspace, "llama", scheme) {
        $0.overrides = [
          try TensorTypeOverride("layers.0.*down_proj=fp8", scheme.container),
          try TensorTypeOverride("o_proj=bf16", scheme.container),
          try TensorTypeOverride("k_proj=w8a16-channel", scheme.container),
        ]
      })
    let settings = try quantization(workspace)
    let groups = try #require(settings["config_groups"]?.members).map(\.value)
    #expect(
      groups.map { $0["targets"]?.elements?.first?.text } == [
        "model.layers.0.mlp.down_proj", "model.layers.0.self_attn.k_proj", "Linear",
      ])
    #expect(settings["format"]?.text == "mixed-precision")
    let ignored = settings["ignore"]?.elements?.compactMap(\.text) ?? []
    #expect(ignored.contains("model.layers.0.self_attn.o_proj"))
    #expect(outcome.certificate.findings.contains { $0.check == "fused-layers-differ" })
    let written = try Source(workspace.path("out"), OpenOptions())
    #expect(try written.model().problems.isEmpty)
  }

  /// Experts are layers of their own, what chooses them stays as it is.
  @Test func expertsAreLinearLayers() throws {
    let scheme = try #require(QuantizationScheme(named: "w8a16-channel"))
    let workspace = try Workspace()
    let outcome = try convert(request(workspace, "qwen3_moe", scheme))
    let experts = outcome.plan.groups.filter { $0.name.contains(".experts.") }
    #expect(!experts.isEmpty && experts.allSatisfy { $0.parts.count == 3 })
    let ignored = try quantization(workspace)["ignore"]?.elements?.compactMap(\.text) ?? []
    #expect(ignored.contains { $0.hasSuffix(".mlp.gate") })
    for name in ["fp8-block", "nvfp4a16", "mxfp8a16", "w8a8"] {
      let other = try #require(QuantizationScheme(named: name))
      let refused = failure(of: try request(workspace, "qwen3_moe", other, to: "other"))
      // Some have rows that are too short for groups: these stay floats.
      #expect(refused == nil || refused?.code == .unsupported, "\(name)")
      #expect(refused != nil || name.contains("mxfp8"), "\(name)")
    }
    let router = failure(
      of: try request(workspace, "qwen3_moe", scheme, to: "router") {
        $0.overrides = [try TensorTypeOverride("mlp.gate=fp8", scheme.container)]
      })
    #expect(router?.code == .unsupported)
  }

  /// Scales of tensors are searched for, too, and stay those of the layers that vLLM makes.
  @Test func tensorScalesAreSearchedFor() throws {
    let scheme = try #require(QuantizationScheme(named: "nvfp4a16"))
    let workspace = try Workspace()
    func scales(_ quality: QuantizationQuality, _ name: String, threads: Int) throws -> [String:
      Float]
    {
      let resources = EvaluationResources(memory: 64_000_000, threads: threads)
      let outcome = try convert(
        request(workspace, "llama", scheme, to: name, resources: resources) {
          $0.quality = quality
        })
      return Dictionary(
        uniqueKeysWithValues: outcome.plan.groups.compactMap { group in
          if case .pack(_, let format, _) = group.expression {
            format.tensorScale.map { (group.name, $0) }
          } else {
            nil
          }
        })
    }
    let plain = try scales(.plain, "plain", threads: 2)
    let best = try scales(.best, "best", threads: 2)
    #expect(try scales(.best, "again", threads: 1) == best)
    #expect(plain.keys == best.keys && plain != best)
    for (name, scale) in best {
      let own = try #require(plain[name])
      #expect(scale == own || TensorScaleSearch.factors.contains { own * $0 == scale }, "\(name)")
      guard name.contains("q_proj") else { continue }
      for other in ["k_proj", "v_proj"] {
        #expect(best[name.replacing("q_proj", with: other)] == scale)
      }
    }
  }

  /// transformers calls GPT-NeoX's head by another name than its files.
  @Test func headsAreIgnoredUnderBothNames() throws {
    let scheme = try #require(QuantizationScheme(named: "fp8"))
    let workspace = try Workspace()
    try convert(request(workspace, "gpt_neox", scheme))
    let ignored = try quantization(workspace)["ignore"]?.elements?.compactMap(\.text) ?? []
    #expect(Set(ignored) == ["embed_out", "lm_head"])
  }

  @Test func refusesWhatItDoesNotQuantize() throws {
    let scheme = try #require(QuantizationScheme(named: "w4a16-channel"))
    let workspace = try Workspace()
    let conv1d = failure(of: try request(workspace, "gpt2", scheme))
    #expect(conv1d?.code == .unsupported)
    #expect(conv1d?.message.contains("Conv1D") == true)
    let packed = failure(of: try request(workspace, "falcon", scheme))
    #expect(packed?.code == .unsupported)
    #expect(packed?.message.contains("FalconLinear") == true)
    let file = failure(of: try request(workspace, "llama", scheme, to: "out.safetensors"))
    #expect(file?.code == .usage)
    let strict = failure(
      of: try request(workspace, "llama", QuantizationScheme(named: "w4a16-g128") ?? scheme) {
        $0.isStrict = true
      })
    #expect(strict?.code == .unsupported)
    #expect(!workspace.has("out") && !workspace.has("out.safetensors"))
  }
}
