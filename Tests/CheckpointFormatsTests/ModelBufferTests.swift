import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Buffers beside masks: fillers of masked scores, and tables of rotary frequencies.
@Suite struct ModelBufferTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static func tensor(
    _ name: String, _ dtype: String, _ shape: [Int], _ values: [Double]
  ) -> SampleTensor {
    var data = Data()
    for value in values {
      switch dtype {
      case "F64": withUnsafeBytes(of: value) { data.append(contentsOf: $0) }
      case "F32": withUnsafeBytes(of: Float(value)) { data.append(contentsOf: $0) }
      case "F16": withUnsafeBytes(of: Float16(value)) { data.append(contentsOf: $0) }
      default:
        let number = Float(value)
        let bits = number.isFinite ? number.bfloat16Bits : UInt16(number.bitPattern >> 16)
        withUnsafeBytes(of: bits) { data.append(contentsOf: $0) }
      }
    }
    return SampleTensor(name, dtype, shape, data)
  }

  // MARK: Fillers

  @Test(arguments: ["F64", "F32", "F16", "BF16"], [-1e4, -1e9, -.infinity])
  func fillersFarBelowAllScoresAreLeftOut(dtype: String, value: Double) throws {
    for shape in [[], [1]] {
      let tensor = Self.tensor("h.0.attn.masked_bias", dtype, shape, [value])
      let path = try workspace.write("x.safetensors", SafetensorsSample([tensor]).fileContents)
      let model = try Source(path).model()
      #expect(model.tensors.isEmpty && model.problems.isEmpty)
      #expect(model.findings.map(\.check) == ["default-buffer"])
    }
  }

  @Test(arguments: ["F32", "F16", "BF16"], [0, -1, -9000, 1e4, .infinity, .nan])
  func otherFillersAreRefused(dtype: String, value: Double) throws {
    let tensor = Self.tensor("gpt_neox.layers.3.attention.masked_bias", dtype, [], [value])
    let path = try workspace.write("x.safetensors", SafetensorsSample([tensor]).fileContents)
    let model = try Source(path).model()
    #expect(model.problems.map(\.error.tensor) == [tensor.name])
    #expect(model.problems.map(\.error.code) == [.unsupported])
    let error = #expect(throws: CheckpointError.self) { try model.requireSound() }
    #expect(error?.file == "x.safetensors")
  }

  // MARK: Rotary tables

  private static func frequencies(_ base: Double, _ dimensions: Int) -> [Double] {
    (0..<dimensions / 2).map { pow(base, -2 * Double($0) / Double(dimensions)) }
  }

  private func model(_ name: String, _ tensor: SampleTensor) throws -> ModelContents {
    var sample = try ModelSample(name)
    sample.tensors.tensors.append(tensor)
    return try Source(sample.write(workspace, "model")).model()
  }

  private static let tables = [
    ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq", 16),
    ("gpt_neox", "gpt_neox.layers.1.attention.rotary_emb.inv_freq", 4),
  ]

  @Test(arguments: tables, ["F64", "F32", "F16", "BF16"])
  func tablesThatFollowFromTheConfigurationAreLeftOut(
    _ table: (model: String, name: String, dimensions: Int), dtype: String
  ) throws {
    let values = Self.frequencies(10000, table.dimensions)
    let found = try model(
      table.model, Self.tensor(table.name, dtype, [values.count], values))
    #expect(found.problems.isEmpty && found.findings.map(\.check) == ["default-buffer"])
    #expect(!found.tensors.contains { $0.name == table.name })
  }

  @Test(arguments: tables, ["F32", "F16", "BF16"])
  func otherTablesAreRefused(
    _ table: (model: String, name: String, dimensions: Int), dtype: String
  ) throws {
    let right = Self.frequencies(10000, table.dimensions)
    var wrong = [
      Self.frequencies(20000, table.dimensions), right + [right[0]], Array(right.dropLast()),
      right.reversed(), right.map { _ in .nan }, right.map { -$0 }, right.map { $0 / 4 },
    ]
    if dtype == "F32" { wrong.append(Self.frequencies(10010, table.dimensions)) }
    for values in wrong {
      let found = try model(
        table.model, Self.tensor(table.name, dtype, [values.count], values))
      #expect(found.problems.map(\.error.tensor) == [table.name], "\(values)")
      #expect(found.problems.first?.error.hint?.contains("config.json") == true)
    }
  }

  /// What is scaled when a model is loaded may be stored before or after.
  @Test func scaledTablesMayBeStoredEitherWay() throws {
    let name = "model.layers.1.self_attn.rotary_emb.inv_freq"
    for factor in [1, 2.5] {
      let values = Self.frequencies(10000, 8).map { $0 / factor }
      let found = try model("llama_rope_linear", Self.tensor(name, "F32", [4], values))
      #expect(found.problems.isEmpty, "\(factor)")
    }
  }

  // MARK: Tied weights

  /// What the head is: absent, the embedding once more, or something else.
  @Test(
    arguments: [
      (true, "absent", nil, nil), (true, "equal", "note", "stored twice"),
      (true, "different", "warning", "its values differ"), (false, "equal", "note", "although"),
      (false, "different", nil, nil),
    ] as [(Bool, String, String?, String?)])
  func tiesAreToldByFlagEqualityAndAbsence(
    isTied: Bool, head: String, severity: String?, word: String?
  ) throws {
    var sample = try ModelSample("gpt2")
    sample.configuration["tie_word_embeddings"] = isTied
    var tensor = try #require(sample.tensors["transformer.wte.weight"])
    tensor.name = "lm_head.weight"
    if head == "different" { tensor.data[tensor.data.count - 1] ^= 1 }
    if head != "absent" { sample.tensors.tensors.append(tensor) }
    let model = try Source(sample.write(workspace, "model")).model()
    #expect(model.problems.isEmpty)
    #expect(model.tensors.contains { $0.name == "lm_head.weight" } == (head != "absent"))
    #expect(model.findings.map(\.severity.rawValue) == [severity].compactMap { $0 })
    #expect(model.findings.allSatisfy { $0.check == "tied-weights" })
    #expect(word.map { model.findings.first?.message.contains($0) == true } ?? true)
  }

  @Test func anUntiedHeadThatIsNotThereIsMissing() throws {
    var sample = try ModelSample("gpt2")
    sample.configuration["tie_word_embeddings"] = false
    let model = try Source(sample.write(workspace, "model")).model()
    #expect(model.problems.map(\.error.code) == [.missing])
    #expect(model.problems.map(\.error.tensor) == ["lm_head.weight"])
  }

  @Test func aHeadInTheSameStorageIsWrittenOnce() throws {
    let source = try Source(Fixtures.path("pytorch/gpt2"))
    #expect(source.checkpoint.position(of: "lm_head.weight") != nil)
    let model = try source.model()
    #expect(!model.tensors.contains { $0.name == "lm_head.weight" })
    let finding = model.findings.first { $0.check == "tied-weights" }
    #expect(finding?.severity == .note && finding?.message.hasPrefix("left out") == true)
  }

  /// The tensor that comes first in the storage may be a third one.
  @Test(arguments: [["a", "wte.weight", "lm_head.weight"], ["lm_head.weight", "a", "wte.weight"]])
  func tiesAreSeenWhateverComesFirst(names: [String]) throws {
    let entry = TorchEntry(count: 6, [3, 2], strides: [2, 1])
    let sample = TorchSample(names.map { ($0, entry) }, storage: [UInt8](0..<24))
    try workspace.write("model/pytorch_model.bin", Data(sample.bytes))
    let settings = ["n_embd", "n_head", "n_layer", "n_positions", "vocab_size"]
    let numbers = zip(settings, [2, 1, 1, 4, 3]).map { "\"\($0)\": \($1)" }
    try workspace.write(
      "model/config.json",
      Data("{\"model_type\": \"gpt2\", \(numbers.joined(separator: ", "))}".utf8))
    let model = try Source(workspace.path("model")).model()
    #expect(!model.tensors.contains { $0.name == "lm_head.weight" })
    #expect(model.findings.map(\.check) == ["tensor-unknown", "tied-weights"])
  }
}
