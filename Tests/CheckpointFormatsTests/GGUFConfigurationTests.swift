import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// What the keys of a GGUF file say of its model.
@Suite struct GGUFConfigurationTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func open(_ file: GGUFBuilder, _ name: String = "x.gguf") throws -> Source {
    try Source(workspace.write(name, Data(file.contents)))
  }

  /// Keys of a model of one layer, and its embedding.
  private func model(
    _ graph: String, width: UInt32 = 8, _ edit: (inout GGUFBuilder) -> Void = { _ in }
  ) -> GGUFBuilder {
    var file = GGUFBuilder()
    file.add("general.architecture", graph)
    for (key, value) in [
      ("block_count", 1), ("embedding_length", width), ("context_length", 16),
      ("feed_forward_length", 16), ("attention.head_count", 1), ("rope.dimension_count", width),
    ] { file.add("\(graph).\(key)", value) }
    for key in ["layer_norm_epsilon", "layer_norm_rms_epsilon"] {
      file.add("\(graph).attention.\(key)", type: 6, file.bytes(Float(1e-5).bitPattern))
    }
    file.add(
      tensor: "token_embd.weight", extents: [UInt64(width), 3],
      [UInt8](repeating: 0, count: Int(width) * 12))
    edit(&file)
    return file
  }

  private func configuration(_ file: GGUFBuilder) throws -> DecoderConfiguration {
    let bytes = try #require(try open(file).huggingFaceConfiguration())
    return try DecoderConfiguration(HuggingFaceConfiguration(parsing: bytes))
  }

  /// A fraction as a number of decimals may come out one too small.
  @Test func everyNumberOfRotatedDimensionsComesOut() throws {
    for width in stride(from: 2, through: 96, by: 2) {
      for rotated in stride(from: 2, through: width, by: 2) {
        var file = model("gptneox", width: UInt32(width))
        file.entries.removeAll { $0.key == Array("gptneox.rope.dimension_count".utf8) }
        file.add("gptneox.rope.dimension_count", UInt32(rotated))
        #expect(try configuration(file).rotary?.dimensions == rotated, "\(rotated) of \(width)")
      }
    }
  }

  @Test func filesOfPhi2AreNotGPTJ() throws {
    #expect(try open(model("phi2")).huggingFaceConfiguration() == nil)
    let named = model("phi2") { $0.add("weighbridge.model_type", "gptj") }
    #expect(try configuration(named).family == "gptj")
    var nameless = model("llama")
    nameless.entries.removeAll { $0.key == Array("general.architecture".utf8) }
    #expect(try open(nameless).huggingFaceConfiguration() == nil)
    let adapter = model("llama") { $0.add("general.type", "adapter") }
    #expect(try open(adapter).huggingFaceConfiguration() == nil)
    #expect(try open(model("another")).huggingFaceConfiguration() == nil)
    #expect(
      try open(model("another")).reader.canonicalTensors().map(\.name) == ["token_embd.weight"])
  }

  @Test(arguments: [
    "llama.block_count", "llama.embedding_length", "llama.attention.head_count",
    "llama.attention.layer_norm_rms_epsilon", "llama.feed_forward_length", "llama.context_length",
  ])
  func namesTheKeyThatIsMissing(_ key: String) throws {
    var file = model("llama")
    file.entries.removeAll { $0.key == Array(key.utf8) }
    let problems = try open(file).model().problems
    #expect(problems.map(\.check) == ["configuration-unusable"] && problems[0].isFatal)
    let error = problems.first?.error
    #expect(error?.code == .malformed && error?.expected?.contains(key) == true)
  }

  /// What isn't computed here doesn't keep a file's tensors from having their names.
  @Test func settingsThatNobodyComputesLeaveTheNames() throws {
    let source = try open(model("llama") { $0.add("llama.attention.causal", type: 7, [0]) })
    #expect(try source.model().tensors.map(\.name).contains("model.embed_tokens.weight"))
    let error = #expect(throws: CheckpointError.self) { try source.computation(for: "a test") }
    #expect(error?.file == "x.gguf")
    #expect(error?.expected == "'llama.attention.causal': true")
  }

  @Test func keysThatMakeNoModelAreNamedAsKeys() throws {
    var file = model("gpt2")
    file.entries.removeAll { $0.key == Array("gpt2.attention.head_count".utf8) }
    file.add("gpt2.attention.head_count", UInt32(3))
    let error = #expect(throws: CheckpointError.self) { try open(file).model() }
    #expect(error?.file == "x.gguf" && error?.message.contains("heads don't divide") == true)
    let experts = try open(model("qwen3") { $0.add("qwen3.expert_count", UInt32(8)) })
    let refusal = #expect(throws: CheckpointError.self) {
      try experts.computation(for: "a forward pass")
    }
    #expect(refusal?.found == "no table for the graph 'qwen3' with qwen3.expert_count = 8")
  }

  @Test(arguments: [2, 3]) func everyRowHasAToken(count: Int) throws {
    let tokens = Array(repeating: [UInt8](arrayLiteral: 1, 0, 0, 0, 0, 0, 0, 0, 0x61), count: count)
    let problems = try open(
      model("llama") {
        $0.add("tokenizer.ggml.tokens", arrayOf: 8, count: count, tokens.flatMap { $0 })
      }
    ).model().problems
    #expect(problems.contains { $0.check == "tensor-shape" } == (count == 2))
  }

  /// Some converters write a number for every layer.
  @Test(arguments: [[2, 2], [2, 1]]) func countsMayStandForEveryLayer(_ counts: [UInt32]) throws {
    var file = model("llama")
    for key in ["attention.head_count", "rope.dimension_count"] {
      file.entries.removeAll { $0.key == Array("llama.\(key)".utf8) }
    }
    file.add(
      "llama.attention.head_count", arrayOf: 4, count: 2, counts.flatMap { file.bytes($0) })
    if counts[0] == counts[1] {
      #expect(try configuration(file).heads == 2)
    } else {
      let problem = try open(file).model().problems.first
      #expect(problem?.check == "configuration-unusable" && problem?.error.code == .unsupported)
    }
  }

  @Test func attentionThatIsNotCausalIsRefusedWhereItIsComputed() throws {
    let file = model("llama") { $0.add("llama.attention.causal", type: 7, [0]) }
    let bytes = try #require(try open(file).huggingFaceConfiguration())
    let configuration = try HuggingFaceConfiguration(parsing: bytes)
    #expect(try configuration.dimensions().model == 8)
    let error = #expect(throws: CheckpointError.self) { try DecoderConfiguration(configuration) }
    #expect(error?.code == .unsupported && error?.expected?.contains("is_causal") == true)
  }

  /// The configuration that a file was made with counts as long as the keys say the same, and nothing more; what it says of its source's codes doesn't.
  @Test func keysWinOverTheConfigurationThatIsKept() throws {
    let plain = try #require(try open(model("llama")).huggingFaceConfiguration())
    let claims = #""quantization_config": {"quant_method": "awq"}, "quantization": {"bits": 4}"#
    let kept = String(decoding: plain, as: UTF8.self)
      .replacing("\"model_type\"", with: "\"kept\": true, \(claims), \"model_type\"")
    func document(_ edit: (inout GGUFBuilder) -> Void) throws -> String {
      let file = model("llama") { file in
        file.add("weighbridge.model_type", "llama")
        file.add("weighbridge.config", kept)
        // What a model of these settings is written with.
        file.entries.removeAll { $0.key == Array("llama.attention.layer_norm_epsilon".utf8) }
        for (key, value) in [
          ("attention.head_count_kv", 1), ("vocab_size", UInt32(3)),
        ] { file.add("llama.\(key)", value) }
        file.add("llama.rope.freq_base", type: 6, file.bytes(Float(10000).bitPattern))
        edit(&file)
      }
      return String(
        decoding: try #require(try open(file).huggingFaceConfiguration()), as: UTF8.self)
    }
    #expect(try document { _ in }.contains("kept"))
    #expect(try !document { _ in }.contains("quantization"))
    let changed = try document { $0.add("llama.attention.causal", type: 7, [0]) }
    #expect(!changed.contains("kept") && changed.contains("\"is_causal\": false"))
    let scaled = try document {
      $0.add("llama.rope.scaling.type", "linear")
      $0.add("llama.rope.scaling.factor", type: 6, $0.bytes(Float(4).bitPattern))
    }
    #expect(!scaled.contains("kept") && scaled.contains("linear"))
  }

  @Test(arguments: ["rope.dimension_count", "attention.value_length"])
  func sizesThatTheFamilyHasNoSettingForAreRefused(_ key: String) throws {
    var file = model("llama")
    file.entries.removeAll { $0.key == Array("llama.\(key)".utf8) }
    file.add("llama.\(key)", 2)
    let problem = try open(file).model().problems.first
    #expect(problem?.check == "configuration-unusable" && problem?.error.code == .unsupported)
    #expect(problem?.error.expected?.contains(key) == true)
  }

  @Test func mixturesOfExpertsAreNoLlamas() throws {
    let file = model("llama") {
      $0.add("llama.expert_count", 8)
      $0.add("llama.expert_used_count", 2)
    }
    #expect(try configuration(file).family == "mixtral")
    #expect(try configuration(model("llama")).family == "llama")
    let source = try open(model("qwen3") { $0.add("qwen3.expert_count", 8) })
    #expect(try source.huggingFaceConfiguration() == nil)
    #expect(try source.model().problems.isEmpty && source.model().sizes == nil)
    #expect(try source.model().tensors.map(\.name) == ["token_embd.weight"])
  }

  @Test(arguments: [Float.infinity, -.infinity, .nan])
  func numbersHaveToBeFinite(_ value: Float) throws {
    for (graph, key) in [
      ("llama", "rope.freq_base"), ("gptneox", "rope.freq_base"),
      ("gpt2", "attention.layer_norm_epsilon"),
    ] {
      var file = model(graph)
      file.entries.removeAll { $0.key == Array("\(graph).\(key)".utf8) }
      file.add("\(graph).\(key)", type: 6, file.bytes(value.bitPattern))
      let error = try open(file).model().problems.first?.error
      #expect(error?.code == .malformed && error?.expected?.contains(key) == true)
    }
  }

  /// Divisors of a model with so wide a head.
  private func add(_ divisors: [Float], to file: inout GGUFBuilder) {
    file.add(
      tensor: "rope_freqs.weight", extents: [UInt64(divisors.count)],
      divisors.flatMap { file.bytes($0.bitPattern) })
  }

  @Test func scaledPositionsAreNotIgnored() throws {
    let edits: [(String, (inout GGUFBuilder) -> Void)] = [
      ("llama", { $0.add("llama.rope.scaling.type", "longrope") }),
      (
        "llama",
        { $0.add("llama.rope.scaling.attn_factor", type: 6, $0.bytes(Float(2).bitPattern)) }
      ),
      (
        "llama",
        { $0.add("llama.rope.scaling.factor", type: 6, $0.bytes(Float.infinity.bitPattern)) }
      ),
      ("llama", { add([1, 1, 1, 8], to: &$0) }), ("llama", { add([1, 1, 8], to: &$0) }),
      ("llama", { add([1, 1, .nan, 8], to: &$0) }),
      ("qwen2", { add([1, 1, 2, 8], to: &$0) }),
      (
        "phi2",
        {
          $0.add("weighbridge.model_type", "gptj")
          $0.add("phi2.rope.scaling.factor", type: 6, $0.bytes(Float(2).bitPattern))
        }
      ),
    ]
    for (graph, edit) in edits {
      let error = #expect(throws: CheckpointError.self) { try configuration(model(graph, edit)) }
      #expect(error?.code == .unsupported && error?.hint?.contains("--config") == true)
    }
    // Without the length that it is for, yarn says nothing.
    let yarn = model("llama") { $0.add("llama.rope.scaling.type", "yarn") }
    let incomplete = #expect(throws: CheckpointError.self) { try configuration(yarn) }
    #expect(incomplete?.code == .malformed && incomplete?.hint?.contains("--config") == true)
    let none = model("llama") { $0.add("llama.rope.scaling.type", "none") }
    #expect(try configuration(none).rotary?.scaling == DecoderConfiguration.Rotary.Scaling.none)
    let ones = model("llama") { add([1, 1, 1, 1], to: &$0) }
    #expect(try configuration(ones).rotary?.scaling == DecoderConfiguration.Rotary.Scaling.none)
    #expect(try open(ones).reader.canonicalTensors().count == 1)
  }

  @Test(arguments: ["llama", "qwen2", "gptneox"], ["scaling.factor", "scale_linear"])
  func linearScalingIsRead(_ graph: String, _ key: String) throws {
    let file = model(graph) {
      $0.add("\(graph).rope.\(key)", type: 6, $0.bytes(Float(2.7).bitPattern))
    }
    #expect(try configuration(file).rotary?.scaling == .linear(factor: 2.7))
  }

  /// Of published models the divisors say which numbers they are of; of others keys have to.
  @Test func divisorsAreThoseOfPublishedModels() throws {
    let width: UInt32 = 128
    func file(_ scaling: Llama3Scaling, _ edit: (inout GGUFBuilder) -> Void = { _ in })
      -> GGUFBuilder
    {
      model("llama", width: width) {
        $0.add("llama.rope.freq_base", type: 6, $0.bytes(Float(500_000).bitPattern))
        add(scaling.divisors(dimensions: Int(width), base: 500_000), to: &$0)
        edit(&$0)
      }
    }
    for scaling in Llama3Scaling.published {
      #expect(try configuration(file(scaling)).rotary?.scaling == .llama3(scaling))
    }
    var other = Llama3Scaling.published[0]
    other.originalLength = 4096
    let error = #expect(throws: CheckpointError.self) { try configuration(file(other)) }
    #expect(error?.code == .unsupported && error?.tensor == "rope_freqs.weight")
    for (length, code) in [(4096, nil), (8192, .malformed), (.nan, .malformed)]
      as [(Double, CheckpointError.Code?)]
    {
      let named = file(other) {
        let numbers = [
          ("factor", 8), ("low_freq_factor", 1), ("high_freq_factor", 4),
          ("original_max_position_embeddings", length),
        ]
        for (key, number) in numbers {
          $0.add("weighbridge.rope_scaling.\(key)", type: 12, $0.bytes(number.bitPattern))
        }
      }
      if let code {
        let error = #expect(throws: CheckpointError.self) { try configuration(named) }
        #expect(error?.code == code)
      } else {
        #expect(try configuration(named).rotary?.scaling == .llama3(other))
      }
    }
  }

  /// PyTorch's bits, of `1 / (base ** (torch.arange(0, dim, 2) / dim))` and what llama.cpp's converter makes of them.
  @Test func divisorsHaveTheReferencesBits() {
    let divisors = Llama3Scaling.published[0].divisors(dimensions: 128, base: 500_000)
    #expect(divisors.prefix(29).allSatisfy { $0 == 1 })
    #expect(
      divisors[29..<35].map(\.bitPattern) == [
        0x3f9a8ed5, 0x3fc6d64a, 0x4001af1d, 0x402c732e, 0x406bcace, 0x40a83c06,
      ])
    #expect(divisors.dropFirst(35).allSatisfy { $0 == 8 } && divisors.count == 64)
  }

  @Test func biasesThatTheFamilyLacksMustBeZero() throws {
    for (byte, isFine) in [(0, true), (1, false)] as [(UInt8, Bool)] {
      let file = model("phi2") {
        $0.add("weighbridge.model_type", "gptj")
        $0.add(tensor: "blk.0.attn_q.bias", extents: [8], [UInt8](repeating: 0, count: 31) + [byte])
      }
      let source = try open(file)
      if isFine {
        #expect(try source.reader.canonicalTensors().count == 1)
      } else {
        let error = #expect(throws: CheckpointError.self) {
          _ = try source.reader.canonicalTensors()
        }
        #expect(error?.code == .unsupported && error?.tensor == "blk.0.attn_q.bias")
      }
    }
  }

  @Test func shapesHaveToBeTheModels() throws {
    let file = model("llama") {
      $0.add(tensor: "blk.0.attn_q.weight", extents: [8, 4], [UInt8](repeating: 0, count: 128))
    }
    let problem = try open(file).model().problems.first { $0.check == "tensor-shape" }
    #expect(problem?.error.tensor == "blk.0.attn_q.weight")
    #expect(problem?.error.found == "[4, 8]")
  }
}
