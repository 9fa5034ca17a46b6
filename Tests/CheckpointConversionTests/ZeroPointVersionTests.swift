import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Which version of GPTQ zero points are of is told by value, whatever a file says; asymmetric ones of 8 bits are believed.
@Suite struct ZeroPointVersionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let bits: Int
    /// What is stored.
    let isFirst: Bool
    /// What the configuration says.
    let saysFirst: Bool
    let isReordered: Bool
    var testDescription: String {
      "\(bits) bits, \(isFirst ? "first" : "second") said to be \(saysFirst ? "first" : "second")\(isReordered ? ", reordered" : "")"
    }
  }

  private static let cases = [2, 3, 4, 8].flatMap { bits in
    [true, false].flatMap { isFirst in
      [true, false].flatMap { saysFirst in
        [true, false].map {
          Case(bits: bits, isFirst: isFirst, saysFirst: saysFirst, isReordered: $0)
        }
      }
    }
  }

  @Test(arguments: cases) func areToldByValue(_ sample: Case) throws {
    let room = try Workspace()
    let weights = RoundedWeights(bits: sample.bits, isReordered: sample.isReordered)
    let folder = try weights.folder(
      room.path("model"), isFirst: sample.isFirst, saysFirst: sample.saysFirst)
    let isBelieved = sample.bits == 8
    let model = try Source(folder).model()
    let isSaid = model.findings.contains { $0.check == "zero-points-of-other-version" }
    #expect(isSaid == (!isBelieved && sample.isFirst != sample.saysFirst))
    let expression = try #require(model.tensors.first).expression.description
    #expect(
      expression.contains("less-one") == (isBelieved ? sample.saysFirst : sample.isFirst))
  }

  /// Codes and zero points that no weights have say nothing.
  @Test func otherNumbersSayNothing() throws {
    for seed in 1...20 {
      let room = try Workspace()
      var random = SampleRandom(seed: UInt64(seed))
      let sample = RoundedWeights(bits: 4, isReordered: false).sample(isFirst: false)
      let noise = SafetensorsSample(
        sample.tensors.map { tensor in
          var copy = tensor
          if tensor.dtype == "I32", tensor.shape.count == 2 {
            copy.data = random.bytes(tensor.data.count)
          }
          return copy
        })
      let folder = try RoundedWeights.folder(
        room.path("model"), noise, bits: 4, saysFirst: seed.isMultiple(of: 2))
      let findings = try Source(folder).model().findings
      #expect(!findings.contains { $0.check == "zero-points-of-other-version" }, "\(seed)")
    }
  }

  /// What GPTQModel wrote has the library's values under either label.
  @Test func aMislabelledFileHasItsValues() throws {
    let golden = try #require(
      QuantizedSourceTests.all.first { $0.name == "gptq_v2_asym_llama" })
    let room = try Workspace()
    let copy = try golden.copy(golden.sample(), in: room)
    let text = try String(contentsOfFile: "\(copy)/config.json", encoding: .utf8)
    try Data(text.replacing("gptq_v2", with: "gptq").utf8)
      .write(to: URL(filePath: "\(copy)/config.json"))
    let outcome = try convert(copy, room.path("out"), dtype: .f32)
    #expect(outcome.certificate.tensors.map(\.digest.hexadecimal) == golden.weights.map(\.sha256))
    let finding = outcome.certificate.findings.first { $0.check == "zero-points-of-other-version" }
    #expect(finding?.severity == .warning)
    #expect(finding?.message.contains("says gptq, the zero points are those of gptq_v2") == true)
  }
}

/// A matrix of normally distributed weights, each group rounded to the nearest of the codes between its smallest and largest.
private struct RoundedWeights {
  static let (inputs, outputs, group) = (128, 96, 32)
  let bits: Int
  /// The group of each input.
  let index: [Int]
  private var codes: [[Int]] = []
  private var zeros: [[Int]] = []

  init(bits: Int, isReordered: Bool) {
    self.bits = bits
    var random = SampleRandom(seed: UInt64(bits))
    let neighbours = (0..<Self.inputs).map { $0 / Self.group }
    index = isReordered ? neighbours.shuffled(using: &random) : neighbours
    codes = [[Int]](
      repeating: [Int](repeating: 0, count: Self.outputs), count: Self.inputs)
    zeros = [[Int]](
      repeating: [Int](repeating: 0, count: Self.outputs), count: Self.inputs / Self.group)
    let top = Double(1 << bits - 1)
    for column in 0..<Self.outputs {
      for number in zeros.indices {
        let places = index.indices.filter { index[$0] == number }
        let values = places.map { _ in
          (0..<12).reduce(-6) { sum, _ in sum + Double.random(in: 0..<1, using: &random) }
        }
        let (low, high) = (min(0, values.min() ?? 0), max(0, values.max() ?? 0))
        let scale = (high - low) / top
        let zero = (-low / scale).rounded(.toNearestOrEven)
        zeros[number][column] = Int(zero)
        for (place, value) in zip(places, values) {
          codes[place][column] = Int(
            min(top, max(0, (value / scale).rounded(.toNearestOrEven) + zero)))
        }
      }
    }
  }

  /// A line of codes in words, the lowest bits first.
  private func words(_ line: [Int]) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: line.count * bits / 32)
    for (place, code) in line.enumerated() {
      for bit in 0..<bits where code >> bit & 1 == 1 {
        words[(place * bits + bit) / 32] |= 1 << UInt32((place * bits + bit) % 32)
      }
    }
    return words
  }

  private func tensor(_ name: String, _ rows: [[UInt32]]) -> SampleTensor {
    SampleTensor(
      name, "I32", [rows.count, rows[0].count],
      rows.reduce(into: Data()) { data, row in row.withUnsafeBytes { data += Data($0) } })
  }

  func sample(isFirst: Bool) -> SafetensorsSample {
    let down = (0..<Self.outputs).map { column in words(codes.map { $0[column] }) }
    let turned = down[0].indices.map { row in down.map { $0[row] } }
    // The first version stores zero points less one, on whole words.
    let ones: UInt32? = [2: 0x5555_5555, 4: 0x1111_1111, 8: 0x0101_0101][bits]
    let offsets = zeros.map { row -> [UInt32] in
      guard isFirst else { return words(row) }
      guard let ones else { return words(row.map { ($0 + 7) % 8 }) }
      return words(row).map { $0 &- ones }
    }
    let groups = zeros.count
    return SafetensorsSample([
      tensor("model.layers.0.mlp.up_proj.qweight", turned),
      tensor("model.layers.0.mlp.up_proj.qzeros", offsets),
      SampleTensor(
        "model.layers.0.mlp.up_proj.scales", "F16", [groups, Self.outputs],
        Data(repeating: 0x21, count: groups * Self.outputs * 2)),
      SampleTensor(
        "model.layers.0.mlp.up_proj.g_idx", "I32", [Self.inputs],
        index.map { Int32($0) }.withUnsafeBytes { Data($0) }),
    ])
  }

  func folder(_ path: String, isFirst: Bool, saysFirst: Bool) throws -> String {
    try Self.folder(path, sample(isFirst: isFirst), bits: bits, saysFirst: saysFirst)
  }

  static func folder(
    _ path: String, _ sample: SafetensorsSample, bits: Int, saysFirst: Bool
  ) throws -> String {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try sample.fileContents.write(to: URL(filePath: "\(path)/model.safetensors"))
    let text = """
      {"quantization_config": {"quant_method": "gptq", "bits": \(bits), "group_size": \(group),
      "desc_act": true, "sym": false, "checkpoint_format": "\(saysFirst ? "gptq" : "gptq_v2")"}}
      """
    try Data(text.utf8).write(to: URL(filePath: "\(path)/config.json"))
    return path
  }
}
