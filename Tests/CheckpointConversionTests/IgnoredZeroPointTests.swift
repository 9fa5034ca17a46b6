import CheckpointFormats
import FileContainers
import Foundation
import Quantization
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Zero points that compressed-tensors' configuration says nothing of, and such as are 0 throughout.
@Suite struct IgnoredZeroPointTests {
  /// A copy of a fixture's files, changed.
  private func copy(
    _ name: String, in room: borrowing Workspace,
    _ edit: (inout SafetensorsSample, inout String) throws -> Void
  ) throws -> String {
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == name })
    var sample = try golden.sample()
    var text = try String(
      contentsOfFile: Fixtures.path("quantized/\(name)/config.json"), encoding: .utf8)
    try edit(&sample, &text)
    let folder = try golden.copy(sample, in: room)
    try Data(text.utf8).write(to: URL(filePath: "\(folder)/config.json"))
    return folder
  }

  private static func saysSymmetric(_ text: inout String) {
    text = text.replacing("\"symmetric\": false", with: "\"symmetric\": true")
  }

  private static func findings(_ folder: String) throws -> [Finding] {
    try Source(folder).model().findings.filter { $0.check == "zero-points-ignored" }
  }

  @Test(arguments: [
    "ct_llama_w4a16_asym", "ct_w3_asym_g32", "ct_w4_asym_tensor", "ct_int_asym_channel",
  ])
  func areSaid(_ name: String) throws {
    let room = try Workspace()
    let folder = try copy(name, in: room) { _, text in Self.saysSymmetric(&text) }
    let findings = try Self.findings(folder)
    #expect(findings.count == 1)
    #expect(findings.first?.tensor?.hasSuffix(".weight_zero_point") == true)
    // Values are those without them.
    let without = try copy(name, in: room) { sample, text in
      Self.saysSymmetric(&text)
      sample.tensors.removeAll { $0.name.hasSuffix("_zero_point") }
    }
    let one = try convert(folder, room.path("with"), dtype: .f32)
    let other = try convert(without, room.path("without"), dtype: .f32)
    #expect(one.certificate.root == other.certificate.root)
    #expect(try Self.findings(Fixtures.path("quantized/\(name)")).isEmpty)
  }

  /// Older versions of the library wrote zero points of 0 beside symmetric codes.
  @Test(arguments: ["ct_llama_w4a16_asym", "ct_w3_asym_g32", "ct_int_asym_channel"])
  func thoseOfZeroAreNot(_ name: String) throws {
    let room = try Workspace()
    let folder = try copy(name, in: room) { sample, text in
      Self.saysSymmetric(&text)
      Self.setZeroPointsToZero(&sample, bits: name.contains("w3") ? 3 : 4)
    }
    #expect(try Self.findings(folder).isEmpty)
  }

  /// Whatever the configuration says, numbers that another format has are moved.
  @Test(arguments: [
    ("ct_llama_w4a16_asym", "mlx-q4-g128", true), ("ct_llama_w4a16_asym", "w4a16-g128", true),
    ("ct_llama_w4a16_asym", "mlx-q4-g128", false),
  ])
  func thoseOfZeroAreRepacked(_ name: String, _ format: String, _ isZero: Bool) throws {
    let room = try Workspace()
    let folder = try copy(name, in: room) { sample, _ in
      if isZero { Self.setZeroPointsToZero(&sample, bits: 4) }
    }
    let source = try Source(folder)
    let weight = try #require(try source.model().tensors.first)
    let wanted = try #require(PackedFormat(named: format))
    let repacking = try #require(
      Repacking(
        weight.expression, weight.shape, wanted, as: nil, type: source.checkpoint.type))
    #expect(try repacking.condition.holds(source.reader, smallResources) == isZero)
  }

  private static func setZeroPointsToZero(_ sample: inout SafetensorsSample, bits: Int) {
    for place in sample.tensors.indices where sample.tensors[place].name.hasSuffix("_zero_point") {
      let (tensor, count) = (sample.tensors[place], sample.tensors[place].data.count)
      guard tensor.dtype == "I32" else {
        sample.tensors[place].data = Data(count: count)
        continue
      }
      // Half the range of 4 bits in each word, or of 3 bits across three of a column.
      let words: [UInt32] =
        bits == 3
        ? [0x2492_4924, 0x4924_9249, 0x9249_2492] : [0x8888_8888]
      let columns = tensor.shape[1]
      sample.tensors[place].data = (0..<count / 4).reduce(into: Data()) { data, word in
        withUnsafeBytes(of: words[word / columns % words.count].littleEndian) { data += Data($0) }
      }
    }
  }
}
