import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// GGUF files as checkpoints and as models.
@Suite struct GGUFTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func open(_ file: GGUFBuilder, _ name: String = "x.gguf") throws -> Source {
    try Source(workspace.write(name, Data(file.contents)))
  }

  // MARK: Files

  @Test(arguments: Fixtures.cases("bad/gguf")) func filesGetTheirVerdicts(_ file: Fixtures.Case)
    throws
  {
    let error = try failure(file.path)
    #expect((error != nil) == (file.verdict == "reject"), "\(error?.description ?? "")")
    guard file.verdict != "reject" else { return }
    let findings = try Source(file.path).checkpoint.findings
    #expect(findings.contains { $0.severity == .warning } == (file.verdict == "warn"))
  }

  @Test func theNameSaysWhatItHasToBe() throws {
    let safetensors = try Fixtures.bytes("huggingface/qwen2_tied/model.safetensors")
    let path = try workspace.write("x.gguf", Data(safetensors))
    let error = #expect(throws: CheckpointError.self) { try Source(path) }
    #expect(error?.code == .malformed && error?.message.contains("not a GGUF file") == true)
    // And another name hides nothing.
    let gguf = Data(try Fixtures.bytes("gguf/llama_biases.F32.gguf"))
    for name in ["model", "model.bin", "model.npz"] {
      #expect(try Source(workspace.write(name, gguf)).checkpoint.format == "gguf", "\(name)")
    }
  }

  @Test func swapsTheBytesOfBigEndianFiles() throws {
    var file = GGUFBuilder()
    file.isBigEndian = true
    file.add(tensor: "f32", extents: [2], [0x3f, 0x80, 0, 0, 0x40, 0, 0, 0])
    file.add(tensor: "f16", type: 1, extents: [1, 2], [0x3c, 0, 0x40, 0])
    file.add(tensor: "i8", type: 24, extents: [2], [1, 2])
    file.add(tensor: "f64", type: 28, extents: [1], [0x3f, 0xf0, 0, 0, 0, 0, 0, 0])
    let reader = try open(file).reader
    #expect(try reader.contents(0) == [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])
    #expect(try reader.contents(1) == [0, 0x3c, 0, 0x40])
    #expect(try reader.contents(2) == [1, 2])
    #expect(try reader.contents(3) == [0, 0, 0, 0, 0, 0, 0xf0, 0x3f])
    #expect(reader.checkpoint.layout.contains("big-endian"))
    file.add(tensor: "blocks", type: 8, extents: [32], [UInt8](0..<34))
    let error = #expect(throws: CheckpointError.self) { try open(file) }
    #expect(error?.code == .unsupported && error?.tensor == "blocks")
  }

  @Test func readsBackWhatItLaysOut() throws {
    var random = FixedRandom(seed: 3)
    let dtypes = DType.allCases.filter { $0.ggmlType != nil }
    #expect(dtypes.count == 22)
    let tensors =
      dtypes.map { ($0.rawValue, TensorType($0, [3, 2, $0.blockElementCount])) }
      + [("scalar", TensorType(.f32, [])), ("odd", TensorType(.i8, [7]))]
    let metadata: [(key: String, value: GGUFValue)] = [
      ("a", .unsigned(7, .uint16)), ("b", .signed(-7, .int64)), ("c", .float(0.1, .float32)),
      ("d", .float(0.1, .float64)), ("e", .bool(false)), ("f", .string([0xff])),
      ("g", .array(GGUFArray(["x", ""]))), ("h", .array(GGUFArray([1, 2] as [Int32]))),
      ("i", .array(GGUFArray([] as [Float]))),
    ]
    let layout = try GGUFLayout.layout(tensors, metadata: metadata)
    var file = Data(count: layout.byteCount)
    for run in layout.frame {
      file.replaceSubrange(run.byteOffset..<run.byteOffset + run.bytes.count, with: run.bytes)
    }
    var contents: [[UInt8]] = []
    for ((_, type), place) in zip(tensors, layout.places) {
      let bytes = random.bytes(type.geometry.rows * type.geometry.rowByteCount)
      file.replaceSubrange(place.byteOffset..<place.byteOffset + bytes.count, with: bytes)
      contents.append(bytes)
    }
    let source = try Source(workspace.write("out.gguf", file))
    #expect(source.checkpoint.findings.map(\.check) == ["gguf-shape"])  // The scalar.
    for (index, (name, type)) in tensors.enumerated() {
      #expect(source.checkpoint.tensors[index].name == name)
      #expect(source.checkpoint.type(of: name) == type)
      #expect(try source.reader.contents(index) == contents[index], "\(name)")
    }
    let header = try GGUFHeader(InputFile(path: workspace.path("out.gguf")).region)
    #expect(header.metadata.map(\.key) == metadata.map(\.key))
    for (key, value) in metadata where key != "c" { #expect(header[key] == value) }
    #expect(header["c"]?.number == Double(Float(0.1)) && header.trailingByteCount == 0)
  }

  @Test(arguments: [
    ("x", TensorType(.u8, [1])), ("x", TensorType(.f32, [1, 1, 1, 1, 1])),
    ("", TensorType(.f32, [1])), (String(repeating: "x", count: 64), TensorType(.f32, [1])),
  ])
  func laysNothingOutThatItDoesNotHave(_ name: String, _ type: TensorType) {
    let error = #expect(throws: CheckpointError.self) {
      try GGUFLayout.layout([(name, type)], metadata: [])
    }
    #expect(error?.code == .unsupported)
  }

  // MARK: Split sets

  private static let parts = (1...3).map { "qwen2-0000\($0)-of-00003.gguf" }

  /// The set, and what is done to it.
  private func set(_ edit: (Workspace) throws -> Void) throws -> CheckpointError? {
    try workspace.copy(Fixtures.path("gguf/qwen2_split"), to: "set")
    try edit(workspace)
    return try failure(workspace.path("set"))
  }

  @Test func setsAreReadWhole() throws {
    let source = try Source(Fixtures.path("gguf/qwen2_split"))
    #expect(source.checkpoint.files.map(\.name) == Self.parts)
    #expect(source.inputs.map(\.name) == Self.parts)
    #expect(source.checkpoint.layout == "3 parts of a set")
    for part in Self.parts {
      let named = try Source(Fixtures.path("gguf/qwen2_split/\(part)"))
      #expect(named.inputs.map(\.name) == Self.parts)
      #expect(named.checkpoint.tensors == source.checkpoint.tensors)
    }
    #expect(try set { _ in } == nil)
  }

  @Test(arguments: 0..<3) func aPartMayNotBeMissing(_ part: Int) throws {
    let error = try set { try $0.remove("set/\(Self.parts[part])") }
    #expect(error?.code == .missing && error?.expected == "3 parts" && error?.found == "2")
    #expect(error?.hint != nil)
    let other = try failure(workspace.path("set/\(Self.parts[(part + 1) % 3])"))
    #expect(other?.code == .missing && other?.found == "2")
  }

  @Test func partsMayNotBeExchangedRenamedOrFromElsewhere() throws {
    let exchanged = try set {
      try $0.move("set/\(Self.parts[0])", to: "set/x")
      try $0.move("set/\(Self.parts[1])", to: "set/\(Self.parts[0])")
      try $0.move("set/x", to: "set/\(Self.parts[1])")
    }
    #expect(exchanged?.code == .malformed && exchanged?.file == Self.parts[0])
    try workspace.remove("set")
    let twice = try set {
      try $0.remove("set/\(Self.parts[2])")
      try $0.copy($0.path("set/\(Self.parts[1])"), to: "set/\(Self.parts[2])")
    }
    #expect(twice?.code == .malformed)
    try workspace.remove("set")
    let foreign = try set {
      try $0.copy(Fixtures.path("gguf/llama_biases.F32.gguf"), to: "set/other.gguf")
    }
    #expect(foreign?.code == .unsupported && foreign?.found?.contains("other.gguf") == true)
    try workspace.remove("set")
    let renamed = try set {
      try $0.move("set/\(Self.parts[2])", to: "set/other-00003-of-00003.gguf")
    }
    #expect(renamed?.code == .unsupported)
  }

  @Test func aSetHasAsManyTensorsAsItSays() throws {
    let counts: [(Int32, CheckpointError.Code?)] = [(2, nil), (3, .malformed)]
    for (tensors, code) in counts {
      for part in 0..<2 {
        var file = GGUFBuilder()
        file.add("split.no", type: 2, file.bytes(UInt16(part)))
        file.add("split.count", type: 2, file.bytes(UInt16(2)))
        file.add("split.tensors.count", type: 5, file.bytes(tensors))
        file.add(tensor: "t\(part)", extents: [1], [0, 0, 0, 0])
        try workspace.write("s/x-0000\(part + 1)-of-00002.gguf", Data(file.contents))
      }
      #expect(try failure(workspace.path("s"))?.code == code)
    }
  }

  @Test func sameNamesInTwoPartsAreRefused() throws {
    for part in 0..<2 {
      var file = GGUFBuilder()
      file.add("split.no", type: 2, file.bytes(UInt16(part)))
      file.add("split.count", type: 2, file.bytes(UInt16(2)))
      file.add(tensor: "t", extents: [1], [0, 0, 0, 0])
      try workspace.write("s/x-0000\(part + 1)-of-00002.gguf", Data(file.contents))
    }
    #expect(try failure(workspace.path("s"))?.code == .malformed)
  }

  // MARK: Configurations

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
