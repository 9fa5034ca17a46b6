import ModelArchitectures
import TensorModel
import Testing

/// Names of TensorFlow and Flax as PyTorch's, and which of them a checkpoint has.
@Suite struct ParameterNamingTests {
  // MARK: One name

  @Test(arguments: [
    (ParameterNaming.tensorFlow, "lm_head/kernel:0", [4, 6], "lm_head.weight", "transpose(x)"),
    (.tensorFlow, "transformer/h_._11/mlp/c_fc/bias:0", [6], "transformer.h.11.mlp.c_fc.bias", "x"),
    (.tensorFlow, "transformer/h_._0/ln_1/gamma:0", [6], "transformer.h.0.ln_1.weight", "x"),
    (.tensorFlow, "transformer/h_._0/ln_1/beta:0", [6], "transformer.h.0.ln_1.bias", "x"),
    (.tensorFlow, "transformer/wte/weight:0", [4, 6], "transformer.wte.weight", "x"),
    (.tensorFlow, "transformer/wpe/embeddings:0", [4, 6], "transformer.wpe.weight", "x"),
    (.tensorFlow, "h_._0/attn/c_attn/weight:0", [4, 6], "h.0.attn.c_attn.weight", "x"),
    (.tensorFlow, "h_._0/attn/c_attn/bias:0", [1, 6], "h.0.attn.c_attn.bias", "squeeze(x)"),
    (.tensorFlow, "h_._0/attn/c_attn/bias:0", [2, 6], "h.0.attn.c_attn.bias", "x"),
    (.tensorFlow, "final_logits_bias:0", [1, 6], "final_logits_bias", "x"),
    (
      .tensorFlow, "bert/encoder/layer_._1/extra___dense/kernel:0", [2, 3],
      "bert.encoder.layer.1.dense.weight", "transpose(x)"
    ),
    (.tensorFlow, "a//b/moving_mean:0", [3], "a.b.running_mean", "x"),
    (.tensorFlow, "a/b/moving_variance:0", [3], "a.b.running_var", "x"),
    (
      .tensorFlow, "crit/out_projs_._0/weight:0", [3, 5], "crit.out_projs.0.weight", "transpose(x)"
    ),
    (.tensorFlow, "dense/kernel:0", [3], "dense.weight", "x"),
    (.flax, "lm_head.kernel", [4, 6], "lm_head.weight", "transpose(x)"),
    (.flax, "transformer/h/0/ln_1/scale", [6], "transformer.h.0.ln_1.weight", "x"),
    (.flax, "transformer.h.0.ln_1.bias", [6], "transformer.h.0.ln_1.bias", "x"),
    (.flax, "transformer.wte.embedding", [4, 6], "transformer.wte.weight", "x"),
    (.flax, "model.norm.weight", [6], "model.norm.weight", "x"),
    (.flax, "params/dense/kernel", [4, 6], "dense.weight", "transpose(x)"),
    (.flax, "batch_stats/norm/mean", [6], "norm.running_mean", "x"),
    (.flax, "batch_stats.norm.var", [6], "norm.running_var", "x"),
    (.flax, "norm.mean", [6], "norm.mean", "x"),
    (.pytorch, "a.kernel", [4, 6], "a.kernel", "x"),
  ])
  func isMappedWithItsValues(
    _ naming: ParameterNaming, _ stored: String, _ shape: [Int], _ name: String, _ text: String
  ) throws {
    let parameter = try naming.parameter(stored, Shape(shape))
    #expect(parameter.name == name)
    #expect(parameter.arrangement.applied(to: .stored("x")).description == text)
  }

  @Test func scopesOfKerasGo() throws {
    for (stored, name) in [
      (
        "tfgptj_for_causal_lm/transformer/h_._0/attn/q_proj/kernel:0",
        "transformer.h.0.attn.q_proj.weight"
      ),
      ("tfgptj_for_causal_lm/lm_head/bias:0", "lm_head.bias"),
      ("final_logits_bias:0", "final_logits_bias"),
    ] {
      #expect(try ParameterNaming.tensorFlow.parameter(stored, [4, 4], scopes: 1).name == name)
    }
  }

  @Test(arguments: [
    (ParameterNaming.tensorFlow, "conv/kernel:0", [3, 3, 4, 6], CheckpointError.Code.unsupported),
    (.tensorFlow, "conv/depthwise_kernel:0", [3, 4, 1], .unsupported),
    (.flax, "conv.kernel", [3, 4, 6], .unsupported),
    (.tensorFlow, "///:0", [1], .malformed), (.tensorFlow, ":0", [1], .malformed),
    (.flax, "...", [1], .malformed), (.flax, "/", [1], .malformed),
  ])
  func isRefusedWhereItHasNoCounterpart(
    _ naming: ParameterNaming, _ stored: String, _ shape: [Int], _ code: CheckpointError.Code
  ) {
    let error = #expect(throws: CheckpointError.self) {
      try naming.parameter(stored, Shape(shape))
    }
    #expect(error?.code == code)
  }

  // MARK: All names

  private static func tensors(_ entries: [(String, Shape)]) throws -> [TensorInfo] {
    try entries.map { try TensorInfo(name: $0, dtype: .f32, shape: $1, file: "x.safetensors") }
  }

  @Test func twoTensorsOfOneParameterAreNamedBoth() throws {
    let tensors = try Self.tensors([("a/gamma:0", [4]), ("a/kernel:0", [4, 4])])
    let error = #expect(throws: CheckpointError.self) {
      try ParameterNaming.tensorFlow.canonicalTensors(tensors)
    }
    #expect(error?.tensor == "a/kernel:0")
    #expect(error?.found?.contains("a/gamma:0") == true)
    #expect(error?.message.contains("a.weight") == true)
  }

  private static let layer: [(String, Shape)] = [("h.0.fc.kernel", [2, 3]), ("h.0.fc.bias", [3])]

  @Test(
    arguments: [
      ([("fc.weight", [3, 2])], nil, ParameterNaming.pytorch),
      ([("fc.weight", [3, 2])], "flax", .pytorch),
      (layer, nil, .flax), (layer, "pt", .flax),
      // Names that fit both.
      ([("norm.scale", [3]), ("wte.embedding", [5, 3])], "flax", .flax),
      ([("norm.scale", [3]), ("wte.embedding", [5, 3])], "pt", .pytorch),
      ([("norm.scale", [3])], nil, .pytorch),
      // A filter of PyTorch's that is called so.
      ([("conv.weight", [4, 4, 3, 3]), ("conv.blur.kernel", [4, 4])], nil, .pytorch),
      // Sparse convolutions of PyTorch's.
      (
        [("conv.kernel", [27, 4, 8]), ("conv.bias", [1, 8]), ("norm.weight", [8])], "pt", .pytorch
      ),
      ([("fc/kernel:0", [2, 3])], "pt", .tensorFlow),
      ([], nil, .pytorch),
    ] as [([(String, Shape)], String?, ParameterNaming)])
  func namesDecide(_ entries: [(String, Shape)], _ format: String?, _ naming: ParameterNaming)
    throws
  {
    #expect(try ParameterNaming(of: Self.tensors(entries), format: format) == naming)
  }

  @Test(
    arguments: [
      ([("fc/kernel:0", [2, 3]), ("fc.bias", [3])], "tf"),
      (layer + [("lm_head.weight", [5, 2])], nil),
      ([("h.0.q.kernel", [2, 2]), ("h.1.q.weight", [2, 2]), ("wte.weight", [5, 2])], "pt"),
      ([("q.kernel", [2, 2]), ("k.kernel", [2, 2]), ("wte.weight", [5, 2])], nil),
      ([("q.kernel", [2, 2]), ("wte.weight", [5, 2])], "flax"),
    ] as [([(String, Shape)], String?)])
  func severalNamingsAreRefusedWithAnExampleOfEach(
    _ entries: [(String, Shape)], _ format: String?
  ) throws {
    let error = try #require(throws: CheckpointError.self) {
      try ParameterNaming(of: Self.tensors(entries), format: format)
    }
    let names = entries.map(\.0)
    #expect(error.code == .malformed)
    #expect(error.tensor.map(names.contains) == true)
    #expect(names.contains { $0 != error.tensor && error.found?.contains($0) == true })
  }

  @Test(
    arguments: [
      (ParameterNaming.pytorch, nil, false), (.pytorch, "pt", false), (.pytorch, "mlx", false),
      (.pytorch, "np", false), (.pytorch, "tf", true), (.pytorch, "flax", true),
      (.flax, "flax", false), (.flax, nil, true), (.flax, "pt", true), (.flax, "mlx", true),
      (.tensorFlow, "tf", false), (.tensorFlow, nil, true), (.tensorFlow, "flax", true),
    ] as [(ParameterNaming, String?, Bool)])
  func metadataThatSaysOtherwiseIsAFinding(
    _ naming: ParameterNaming, _ format: String?, _ disagrees: Bool
  ) {
    let finding = naming.disagreement(with: format)
    #expect((finding != nil) == disagrees)
    if let finding {
      #expect(finding.check == "format-metadata" && finding.severity == .warning)
      #expect(finding.message.contains(naming.title))
      #expect(format.map(finding.message.contains) ?? true)
    }
  }
}
