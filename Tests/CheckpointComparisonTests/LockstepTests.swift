import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import Foundation
import ReferenceForward
import TensorModel
import TestSupport
import Testing

/// Models run side by side: where they part, and why.
@Suite struct LockstepTests {
  private let workspace: Workspace

  init() throws { workspace = try Workspace() }

  /// A mistake planted into a copy of a fixture.
  struct Planted: Sendable, CustomTestStringConvertible {
    let model: String
    let layer: Int?
    let sublayer: String
    let cause: KnownMistake?
    var tensors: [String]? = nil
    let plant: @Sendable (inout ModelSample) -> Void

    var testDescription: String {
      "\(model): \(cause?.rawValue ?? "none") in \(layer.map(String.init) ?? "") \(sublayer)"
    }
  }

  private static func gptj(_ layer: Int, _ rest: String) -> String {
    "transformer.h.\(layer).\(rest)"
  }

  /// Takes halves of pairs apart: what engines with half-split rotary dimensions want.
  private static func toHalves(_ row: Int, _ width: Int, _ rotary: Int) -> Int {
    let place = row % width
    guard place < rotary else { return row }
    let half = rotary / 2
    return row - place + (place < half ? 2 * place : 2 * (place - half) + 1)
  }

  /// The other way round.
  private static func toPairs(_ row: Int, _ width: Int, _ rotary: Int) -> Int {
    let place = row % width
    guard place < rotary else { return row }
    return row - place + (place % 2 == 0 ? place / 2 : rotary / 2 + place / 2)
  }

  static let planted: [Planted] = [
    Planted(model: "gptj", layer: 2, sublayer: "attention", cause: .kvSwapped) {
      $0.exchange(gptj(2, "attn.k_proj.weight"), gptj(2, "attn.v_proj.weight"))
    },
    Planted(
      model: "gptj", layer: 1, sublayer: "attention", cause: .qkSwapped,
      tensors: [gptj(1, "attn.k_proj.weight"), gptj(1, "attn.q_proj.weight")]
    ) {
      $0.exchange(gptj(1, "attn.q_proj.weight"), gptj(1, "attn.k_proj.weight"))
    },
    Planted(
      model: "gptj", layer: 1, sublayer: "attention", cause: .transposed,
      tensors: [gptj(1, "attn.out_proj.weight")]
    ) { $0.transpose(gptj(1, "attn.out_proj.weight")) },
    Planted(model: "gptj", layer: 1, sublayer: "attention", cause: .transposed) { sample in
      for part in ["q", "k", "v", "out"] {
        sample.transpose(gptj(1, "attn.\(part)_proj.weight"))
      }
    },
    Planted(model: "gptj", layer: 1, sublayer: "attention", cause: .rotaryLayout) { sample in
      let (heads, rotary) = (
        sample.configuration["n_head"] as? Int ?? 0, sample.configuration["rotary_dim"] as? Int ?? 0
      )
      let width = (sample.configuration["n_embd"] as? Int ?? 0) / heads
      for part in ["q", "k"] {
        sample.permuteRows(gptj(1, "attn.\(part)_proj.weight")) { toHalves($0, width, rotary) }
      }
    },
    Planted(model: "llama", layer: 2, sublayer: "attention", cause: .rotaryLayout) { sample in
      for part in ["q", "k"] {
        sample.permuteRows("model.layers.2.self_attn.\(part)_proj.weight") { toPairs($0, 16, 16) }
      }
    },
    Planted(
      model: "gptj", layer: 0, sublayer: "mlp", cause: .biasMissing,
      tensors: [gptj(0, "mlp.fc_in.bias")]
    ) { $0.edit(gptj(0, "mlp.fc_in.bias")) { $0 = $0.map { _ in 0 } } },
    Planted(
      model: "qwen3", layer: 1, sublayer: "attention", cause: .normMissing,
      tensors: ["model.layers.1.self_attn.q_norm.weight"]
    ) { $0.edit("model.layers.1.self_attn.q_norm.weight") { $0 = $0.map { _ in 1 } } },
    Planted(model: "olmo2", layer: 0, sublayer: "mlp", cause: .normMissing) {
      $0.edit("model.layers.0.post_feedforward_layernorm.weight") { $0 = $0.map { _ in 1 } }
    },
    Planted(model: "llama", layer: 1, sublayer: "mlp", cause: .gateUpSwapped) {
      $0.exchange("model.layers.1.mlp.gate_proj.weight", "model.layers.1.mlp.up_proj.weight")
    },
    // Gates stand before values in one matrix.
    Planted(model: "phi3", layer: 0, sublayer: "mlp", cause: .gateUpSwapped) { sample in
      let inner = sample.configuration["intermediate_size"] as? Int ?? 0
      sample.permuteRows("model.layers.0.mlp.gate_up_proj.weight") { ($0 + inner) % (2 * inner) }
    },
    Planted(model: "phi3", layer: 1, sublayer: "attention", cause: .kvSwapped) { sample in
      // Four heads of queries, two of keys and two of values, eight rows each.
      sample.permuteRows("model.layers.1.self_attn.qkv_proj.weight") {
        $0 < 32 ? $0 : $0 < 48 ? $0 + 16 : $0 - 16
      }
    },
    Planted(model: "gptj", layer: 1, sublayer: "attention", cause: .layerOrder) { sample in
      for tensor in sample.tensors.tensors where tensor.name.hasPrefix("transformer.h.1.") {
        sample.exchange(
          tensor.name, tensor.name.replacing("transformer.h.1.", with: "transformer.h.2."))
      }
    },
    Planted(model: "gpt2", layer: 1, sublayer: "attention", cause: .layerOrder) { sample in
      for tensor in sample.tensors.tensors where tensor.name.hasPrefix("transformer.h.1.") {
        sample.exchange(
          tensor.name, tensor.name.replacing("transformer.h.1.", with: "transformer.h.2."))
      }
    },
    // Within fused weights: GPT-2's are [in, 3 × out], NeoX's [heads × (q, k, v), in].
    Planted(
      model: "gpt2", layer: 1, sublayer: "attention", cause: .kvSwapped,
      tensors: ["transformer.h.1.attn.c_attn.weight"]
    ) { exchangeFusedColumns(&$0, "transformer.h.1.attn.c_attn.weight", 1, 2) },
    Planted(model: "gpt2", layer: 0, sublayer: "attention", cause: .qkSwapped) {
      exchangeFusedColumns(&$0, "transformer.h.0.attn.c_attn.weight", 0, 1)
      exchangeFusedColumns(&$0, "transformer.h.0.attn.c_attn.bias", 0, 1)
    },
    Planted(model: "gpt2", layer: 2, sublayer: "attention", cause: .transposed) {
      $0.transpose("transformer.h.2.attn.c_proj.weight")
    },
    Planted(model: "gpt2", layer: 1, sublayer: "attention", cause: .biasMissing) {
      $0.edit("transformer.h.1.attn.c_attn.bias") { $0 = $0.map { _ in 0 } }
    },
    Planted(
      model: "gpt_neox", layer: 2, sublayer: "attention", cause: .kvSwapped,
      tensors: ["gpt_neox.layers.2.attention.query_key_value.weight"]
    ) { exchangeFusedRows(&$0, "gpt_neox.layers.2.attention.query_key_value.weight", 1, 2) },
    Planted(model: "gpt_neox", layer: 1, sublayer: "attention", cause: .qkSwapped) {
      exchangeFusedRows(&$0, "gpt_neox.layers.1.attention.query_key_value.weight", 0, 1)
      exchangeFusedRows(&$0, "gpt_neox.layers.1.attention.query_key_value.bias", 0, 1)
    },
    Planted(model: "gpt_neox", layer: 1, sublayer: "attention", cause: .rotaryLayout) { sample in
      // Four rotary dimensions of the sixteen of each query and key.
      sample.permuteRows("gpt_neox.layers.1.attention.query_key_value.weight") { row in
        row / 16 % 3 == 2 ? row : toPairs(row, 16, 4)
      }
    },
    // Mixtures of experts, whose matrices are square.
    Planted(model: "mixtral", layer: 0, sublayer: "experts", cause: .expertsPermuted) { sample in
      for part in ["w1", "w2", "w3"] {
        let module = "model.layers.0.block_sparse_moe.experts"
        sample.exchange("\(module).0.\(part).weight", "\(module).2.\(part).weight")
      }
    },
    Planted(
      model: "mixtral", layer: 1, sublayer: "experts", cause: .transposed,
      tensors: ["model.layers.1.block_sparse_moe.experts.3.w2.weight"]
    ) { $0.transpose("model.layers.1.block_sparse_moe.experts.3.w2.weight") },
    Planted(model: "mixtral", layer: 1, sublayer: "experts", cause: .gateUpSwapped) { sample in
      for expert in 0..<4 {
        let module = "model.layers.1.block_sparse_moe.experts.\(expert)"
        sample.exchange("\(module).w1.weight", "\(module).w3.weight")
      }
    },
    // All of a layer in one tensor: gates before values, 32 rows each, of four experts.
    Planted(
      model: "mixtral_stacked", layer: 0, sublayer: "experts", cause: .gateUpSwapped,
      tensors: ["model.layers.0.mlp.experts.gate_up_proj"]
    ) { sample in
      sample.edit("model.layers.0.mlp.experts.gate_up_proj") { values in
        let (old, half) = (values, 32 * 32)
        values = old.indices.map { old[$0 / half % 2 == 0 ? $0 + half : $0 - half] }
      }
    },
    Planted(
      model: "mixtral_stacked", layer: 1, sublayer: "experts", cause: .expertsPermuted
    ) { sample in
      for name in ["gate_up_proj", "down_proj"] {
        sample.permuteRows("model.layers.1.mlp.experts.\(name)") { [1, 0, 3, 2][$0] }
      }
    },
    Planted(
      model: "qwen3_moe", layer: 0, sublayer: "router", cause: .routerPermuted,
      tensors: ["model.layers.0.mlp.gate.weight"]
    ) { $0.permuteRows("model.layers.0.mlp.gate.weight") { ($0 + 1) % 5 } },
    Planted(
      model: "qwen3_moe", layer: 1, sublayer: "attention", cause: .normMissing,
      tensors: ["model.layers.1.self_attn.k_norm.weight"]
    ) { $0.edit("model.layers.1.self_attn.k_norm.weight") { $0 = $0.map { _ in 1 } } },
    Planted(
      model: "qwen3_moe", layer: 0, sublayer: "experts", cause: nil,
      tensors: ["model.layers.0.mlp.experts.2.up_proj.weight"]
    ) { noise(&$0, "model.layers.0.mlp.experts.2.up_proj.weight") },
    // Without a known cause.
    Planted(
      model: "gptj", layer: 1, sublayer: "mlp", cause: nil,
      tensors: [gptj(1, "mlp.fc_out.weight")]
    ) { noise(&$0, gptj(1, "mlp.fc_out.weight")) },
    Planted(
      model: "llama", layer: 0, sublayer: "mlp", cause: nil,
      tensors: ["model.layers.0.mlp.gate_proj.weight"]
    ) { noise(&$0, "model.layers.0.mlp.gate_proj.weight") },
    Planted(
      model: "gptj", layer: nil, sublayer: "embedding", cause: nil,
      tensors: ["transformer.wte.weight"]
    ) { noise(&$0, "transformer.wte.weight") },
    Planted(
      model: "gpt2", layer: nil, sublayer: "embedding", cause: nil,
      tensors: ["transformer.wpe.weight"]
    ) { noise(&$0, "transformer.wpe.weight") },
    Planted(
      model: "gptj", layer: nil, sublayer: "head", cause: nil, tensors: ["lm_head.weight"]
    ) { noise(&$0, "lm_head.weight") },
    Planted(
      model: "gptj", layer: nil, sublayer: "head", cause: nil,
      tensors: ["transformer.ln_f.weight"]
    ) { noise(&$0, "transformer.ln_f.weight") },
  ]

  /// Exchanges two thirds of each row of `[…, 3 × width]`.
  private static func exchangeFusedColumns(
    _ sample: inout ModelSample, _ name: String, _ one: Int, _ other: Int
  ) {
    let row = sample.tensors[name]?.shape.last ?? 3
    sample.edit(name) { values in
      let old = values
      for index in old.indices {
        let part = index % row / (row / 3)
        let source = part == one ? other : part == other ? one : part
        values[index] = old[index + (source - part) * (row / 3)]
      }
    }
  }

  /// Exchanges two of the three runs of 16 rows that each head has.
  private static func exchangeFusedRows(
    _ sample: inout ModelSample, _ name: String, _ one: Int, _ other: Int
  ) {
    sample.permuteRows(name) { row in
      let part = row / 16 % 3
      let source = part == one ? other : part == other ? one : part
      return row + (source - part) * 16
    }
  }

  private static func noise(_ sample: inout ModelSample, _ name: String) {
    var random = SampleRandom(seed: 9)
    sample.edit(name) { values in
      values = values.map { $0 + Float.random(in: -0.1...0.1, using: &random) }
    }
  }

  @Test(arguments: planted) func aPlantedMistakeIsFound(mistake: Planted) throws {
    var sample = try ModelSample(mistake.model)
    mistake.plant(&sample)
    let copy = try sample.write(workspace, "copy")
    let forward = try lockstep(
      fixture(mistake.model), copy, tokens: try tokens(of: mistake.model))
    let found = try #require(forward.firstDivergence)
    #expect(found.layer == mistake.layer)
    #expect(found.sublayer == mistake.sublayer)
    #expect(found.cause == mistake.cause)
    if let tensors = mistake.tensors { #expect(found.tensors.sorted() == tensors.sorted()) }
    #expect(forward.maxAbsLogitDifference > 1e-3)
    #expect(forward.klDivergence.mean > 0)
    for distance in forward.layers {
      #expect(
        (distance.relativeL2 == 0)
          == (distance.layer < mistake.layer ?? (mistake.sublayer == "head" ? 99 : 0)))
    }
  }

  /// The same mistakes must be found beneath the rounding of a narrower copy.
  @Test(arguments: planted.filter { $0.cause != nil })
  func aPlantedMistakeIsFoundInABFloatCopy(mistake: Planted) throws {
    var sample = try ModelSample(mistake.model)
    mistake.plant(&sample)
    sample.cast(to: "BF16")
    let copy = try sample.write(workspace, "copy")
    let forward = try lockstep(
      fixture(mistake.model), copy, tokens: try tokens(of: mistake.model))
    let found = try #require(forward.firstDivergence)
    #expect(found.layer == mistake.layer)
    #expect(found.sublayer == mistake.sublayer)
    #expect(found.cause == mistake.cause)
    if let tensors = mistake.tensors { #expect(found.tensors.sorted() == tensors.sorted()) }
  }

  @Test func biasesThatOneConfigurationHasAndTheOtherLacksAreLost() throws {
    var sample = try ModelSample("llama_biases")
    sample.configuration["mlp_bias"] = false
    sample.tensors.tensors.removeAll { $0.name.contains(".mlp.") && $0.name.hasSuffix(".bias") }
    let copy = try sample.write(workspace, "copy")
    let row = try tokens(of: "llama_biases")
    for (one, other) in [(fixture("llama_biases"), copy), (copy, fixture("llama_biases"))] {
      let found = try #require(try lockstep(one, other, tokens: row).firstDivergence)
      #expect(found.layer == 0)
      #expect(found.sublayer == "mlp")
      #expect(found.cause == .biasMissing)
      #expect(
        found.tensors
          == ["gate_proj", "up_proj", "down_proj"].map { "model.layers.0.mlp.\($0).bias" }.sorted())
    }
  }

  // MARK: No divergence

  @Test(arguments: ["safetensors", "store", "npz"])
  func copiesOfOtherFormatsComputeTheSame(format: String) throws {
    let copy = workspace.path("copy")
    try convert(fixture("gpt_neox"), copy, to: format)
    let forward = try lockstep(fixture("gpt_neox"), copy, tokens: try tokens(of: "gpt_neox"))
    #expect(forward.firstDivergence == nil)
    #expect(forward.maxAbsLogitDifference == 0)
    #expect(forward.klDivergence.max == 0)
    #expect(forward.sameTopFraction == 1)
    #expect(forward.layers.allSatisfy { $0.relativeL2 == 0 })
    #expect(forward.tokenCount == 24)
  }

  @Test(
    arguments: ["gptj", "gpt2", "gpt_neo", "gpt_neox", "llama", "qwen2_tied"], ["BF16", "F16"])
  func roundedCopiesDivergeNowhere(name: String, dtype: String) throws {
    var sample = try ModelSample(name)
    sample.cast(to: dtype)
    let copy = try sample.write(workspace, "copy")
    let row = try tokens(of: name)
    for (one, other) in [(fixture(name), copy), (copy, fixture(name))] {
      let forward = try lockstep(one, other, tokens: row)
      #expect(forward.firstDivergence == nil)
      #expect(forward.maxAbsLogitDifference > 0)
    }
  }

  /// Shards are run with their sums as they are, of which a conversion has the rounded ones.
  @Test func sumsThatAConversionHasRoundedAreNoDivergence() throws {
    let folder = Fixtures.path("mesh-transformer/s4_perturbed_slim_f16")
    let archive = "\(folder)/step.tar.zstd"
    let options = OpenOptions(
      configuration: try Fixtures.bytes("mesh-transformer/s4_perturbed_slim_f16/config.json"),
      temporaryDirectory: workspace.path)
    try convert(archive, workspace.path("out"), to: "safetensors") { $0.openOptions = options }
    let sources = (try Source(archive, options), try Source(workspace.path("out")))
    let comparison = try CheckpointComparison(sources.0, sources.1, resources)
    #expect(comparison.isIdentical)
    let forward = try ForwardComparison(
      Decoder(sources.0, resources), Decoder(sources.1, resources), tokens: [1, 2, 3, 4],
      differences: comparison.differences)
    #expect(forward.firstDivergence == nil)
    #expect(forward.maxAbsLogitDifference > 0 && forward.maxAbsLogitDifference < 1e-3)
  }

  @Test func aDifferenceThatTheTokensDontReachIsNoDivergence() throws {
    let row = try tokens(of: "gptj").filter { $0 != 7 }
    var sample = try ModelSample("gptj")
    sample.edit("transformer.wte.weight") { values in
      let width = values.count / 400
      for index in 0..<width { values[7 * width + index] = 9 }
    }
    sample.cast(to: "BF16")
    let copy = try sample.write(workspace, "copy")
    #expect(try lockstep(fixture("gptj"), copy, tokens: row).firstDivergence == nil)
  }

  @Test func anotherConfigurationDivergesWithoutTensors() throws {
    var sample = try ModelSample("gptj")
    sample.configuration["rotary_dim"] = 4
    let copy = try sample.write(workspace, "copy")
    let found = try #require(
      try lockstep(fixture("gptj"), copy, tokens: try tokens(of: "gptj")).firstDivergence)
    #expect(found.layer == 0)
    #expect(found.sublayer == "attention")
    #expect(found.tensors.isEmpty)
    #expect(found.cause == nil)
  }

  // MARK: The outcome

  @Test func theOutcomeIsThatOfThePlainLogits() throws {
    var sample = try ModelSample("gpt2")
    Self.noise(&sample, "transformer.h.1.mlp.c_fc.weight")
    let copy = try sample.write(workspace, "copy")
    let row = try tokens(of: "gpt2")
    let forward = try lockstep(fixture("gpt2"), copy, tokens: row)
    let (one, other) = (try Self.logits(fixture("gpt2"), row), try Self.logits(copy, row))
    var divergences: [Double] = []
    var same = 0
    for (a, b) in zip(one, other) {
      let (p, q) = (Self.distribution(a), Self.distribution(b))
      divergences.append(zip(p, q).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) })
      if a.firstIndex(of: a.max() ?? 0) == b.firstIndex(of: b.max() ?? 0) { same += 1 }
    }
    let largest = zip(one.joined(), other.joined()).map { abs($0 - $1) }.max()
    #expect(forward.maxAbsLogitDifference == largest)
    #expect(forward.sameTopFraction == Double(same) / Double(row.count))
    let sorted = divergences.sorted()
    let mean = divergences.reduce(0, +) / Double(row.count)
    #expect(abs(forward.klDivergence.mean - mean) < 1e-9)
    #expect(abs(forward.klDivergence.max - (sorted.last ?? 0)) < 1e-9)
    #expect(forward.klDivergence.median >= sorted[row.count / 2 - 1] - 1e-9)
    #expect(forward.klDivergence.median <= sorted[row.count / 2] + 1e-9)
  }

  private static func logits(_ path: String, _ row: [Int]) throws -> [[Double]] {
    let decoder = try Decoder(Source(path), resources)
    let state = try decoder.run([row], Sequences([row.count]))
    let buffer = FloatBuffer()
    try decoder.logits(state, row.indices, into: buffer)
    return row.indices.map { position in
      UnsafeBufferPointer(start: buffer.base + position * 300, count: 300).map(Double.init)
    }
  }

  private static func distribution(_ logits: [Double]) -> [Double] {
    let sum = logits.reduce(0) { $0 + exp($1) }
    return logits.map { exp($0) / sum }
  }

  // MARK: Refusals

  @Test(arguments: [("gptj", "gpt2"), ("llama", "llama_biases"), ("gpt_neox", "gptj")])
  func modelsOfOtherSizesAreRefused(one: String, other: String) throws {
    do {
      _ = try lockstep(fixture(one), fixture(other), tokens: [1, 2, 3])
      Issue.record("it ran")
    } catch let error as CheckpointError {
      #expect(error.code == .unsupported)
      #expect(error.expected?.contains("width") == true)
    }
  }
}
