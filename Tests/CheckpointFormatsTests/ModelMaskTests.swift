import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Masks that older versions of transformers store: what they say, and what is refused.
@Suite struct ModelMaskTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func model(_ tensors: [SampleTensor]) throws -> ModelContents {
    let path = try workspace.write("x.safetensors", SafetensorsSample(tensors).fileContents)
    return try Source(path).model()
  }

  private func model(_ sample: ModelSample) throws -> ModelContents {
    try Source(sample.write(workspace, "model")).model()
  }

  private static let dtypes = ["BOOL", "U8", "I8", "F16", "BF16", "F32"]

  /// What a mask says, element by element.
  private static func kind(_ size: Int, _ sees: (Int, Int) -> Bool) -> String {
    let cells = (0..<size).flatMap { row in (0..<size).map { (row, $0) } }
    if cells.allSatisfy({ sees($0.0, $0.1) == ($0.0 >= $0.1) }) { return "causal" }
    return cells.allSatisfy { sees($0.0, $0.1) } ? "prefix" : "other"
  }

  private func expect(
    _ dtype: String, _ size: Int, _ comment: String,
    _ sees: (Int, Int) -> Bool, _ location: SourceLocation = #_sourceLocation
  ) throws {
    let name = "h.0.attn.bias"
    let found = try model([.mask(name, dtype, size: size, sees: sees)])
    let kind = Self.kind(size, sees)
    let comment = Comment(rawValue: "\(comment), \(size)")
    #expect(found.hasOtherMasks == (kind == "other"), comment, sourceLocation: location)
    #expect(
      found.storedAttention?.rawValue == (kind == "other" ? nil : kind), comment,
      sourceLocation: location)
    // What isn't understood stays where it is.
    #expect(found.tensors.count == (kind == "other" ? 1 : 0), comment, sourceLocation: location)
    #expect(found.problems.map(\.error.tensor) == (kind == "other" ? [name] : []), comment)
    let check = kind == "prefix" ? "prefix-attention" : "default-buffer"
    #expect(found.findings.map(\.check) == (kind == "other" ? [] : [check]), comment)
  }

  @Test(arguments: dtypes, [1, 2, 65]) func saysWhatTokensSee(dtype: String, size: Int) throws {
    try expect(dtype, size, "causal") { $0 >= $1 }
    try expect(dtype, size, "full") { _, _ in true }
    try expect(dtype, size, "nothing") { _, _ in false }
    try expect(dtype, size, "strictly causal") { $0 > $1 }
    try expect(dtype, size, "turned over") { $0 <= $1 }
    try expect(dtype, size, "window") { $0 >= $1 && $0 - $1 < max(1, size / 2) }
  }

  @Test(arguments: dtypes, [2, 65]) func oneWrongElementIsEnough(dtype: String, size: Int) throws {
    let places = [0, 1, size / 2, size - 2, size - 1]
    for row in places {
      for column in places {
        try expect(dtype, size, "causal but for \(row), \(column)") {
          ($0 >= $1) != ($0 == row && $1 == column)
        }
        try expect(dtype, size, "full but for \(row), \(column)") { $0 != row || $1 != column }
      }
    }
  }

  /// Masks that are read in several pieces.
  @Test(arguments: [(0, 299), (150, 151), (298, 299), (299, 0), (299, 299)])
  func largeMasksAreReadToTheEnd(row: Int, column: Int) throws {
    let wrong = { (one: Int, other: Int) in one == row && other == column }
    try expect("F32", 300, "causal") { $0 >= $1 }
    try expect("F32", 300, "full") { _, _ in true }
    try expect("F32", 300, "causal, one wrong") { ($0 >= $1) != wrong($0, $1) }
    try expect("F32", 300, "full, one wrong") { !wrong($0, $1) }
  }

  @Test func numbersOtherThanOneAreNoOnes() throws {
    for (dtype, bytes) in [("U8", [2]), ("F32", [0, 0, 0, 0x40]), ("F16", [0, 0xbc])] {
      let data = Data(Array(repeating: bytes, count: 4).joined().map { UInt8($0) })
      let tensor = SampleTensor("h.0.attn.bias", dtype, [1, 1, 2, 2], data)
      #expect(try model([tensor]).hasOtherMasks, "\(dtype)")
    }
  }

  @Test func onlyWhatHasTheFormOfAMaskIsOne() throws {
    for (name, shape) in [
      ("h.0.attn.bias", [4, 4]), ("h.0.attn.bias", [1, 2, 2, 4]), ("h.0.attn.bias", [16]),
      ("h.0.other.bias", [1, 1, 4, 4]), ("h.0.attn.bias", [1, 1, 0, 0]),
    ] {
      let tensor = SampleTensor(name, "U8", shape, Data(count: shape.reduce(1, *)))
      let found = try model([tensor])
      #expect(found.tensors.count == 1 && found.problems.isEmpty && found.findings.isEmpty)
    }
    let integers = SampleTensor("h.0.attn.bias", "I64", [1, 1, 2, 2], Data(count: 32))
    #expect(try model([integers]).tensors.count == 1)
  }

  @Test(arguments: [
    "transformer.h.0.attn.bias", "h.0.attn.attention.bias", "gpt_neox.layers.0.attention.bias",
  ])
  func areFoundInEveryFamily(name: String) throws {
    #expect(try model([.fullMask(name)]).storedAttention == .prefix)
  }

  // MARK: With a configuration

  @Test func layersThatDisagreeAreRefused() throws {
    let found = try model(
      .gptj(masks: [{ .causalMask($0) }, { .fullMask($0) }, { .causalMask($0) }]))
    #expect(found.hasOtherMasks && found.storedAttention == nil)
    #expect(found.problems.map(\.error.code) == [.unsupported])
    #expect(found.problems.first?.error.tensor == "transformer.h.1.attn.bias")
    #expect(found.problems.first?.error.message.contains("some") == true)
  }

  @Test func masksOfUnknownFamiliesAreOrdinaryTensors() throws {
    var sample = try ModelSample.withPrefix()
    sample.configuration["model_type"] = "nobodys"
    let found = try model(sample)
    #expect(found.tensors.count == 38 && found.attention == .causal)
    #expect(found.storedAttention == nil && found.findings.isEmpty && found.problems.isEmpty)
  }

  /// A configuration that can't be used doesn't hide what the masks say.
  @Test func masksOfAKnownFamilyCountWithoutItsSizes() throws {
    var sample = try ModelSample.withPrefix()
    sample.configuration = ["model_type": "gptj", "n_embd": "sixty-four"]
    let found = try model(sample)
    #expect(found.tensors.count == 35 && found.attention == .prefix)
  }

  /// GPT-Neo: layers 1 and 3 see 8 tokens.
  private func neo(_ masks: [Int: Int?], size: Int = 64) throws -> ModelContents {
    var sample = try ModelSample("gpt_neo")
    for (layer, width) in masks.sorted(by: { $0.key < $1.key }) {
      sample.tensors.tensors.append(
        .mask("transformer.h.\(layer).attn.attention.bias", "U8", size: size) { row, column in
          row >= column && width.map { row - column < $0 } ?? true
        })
    }
    return try model(sample)
  }

  @Test func windowsMustBeTheConfigurations() throws {
    let sound = try neo([0: nil, 1: 8, 2: nil, 3: 8])
    #expect(sound.storedAttention == .causal && sound.problems.isEmpty)
    #expect(sound.findings.map(\.check) == ["default-buffer"])
    #expect(try neo([0: nil, 1: nil, 2: nil, 3: nil], size: 8).problems.isEmpty)
    for wrong: [Int: Int?] in [[0: 8], [1: 7], [1: 9], [1: nil], [0: nil, 1: 8, 3: nil], [1: 1]] {
      let found = try neo(wrong)
      #expect(found.hasOtherMasks && found.problems.count == 1, "\(wrong)")
    }
  }
}
