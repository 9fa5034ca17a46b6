import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import Foundation
import TensorModel
import TestSupport
import Testing

/// Two checkpoints by names, bits and values.
@Suite struct ComparisonTests {
  private let workspace: Workspace

  init() throws { workspace = try Workspace() }

  // MARK: The same

  @Test(arguments: ["safetensors", "store", "npz"])
  func copiesOfOtherFormatsAreIdentical(format: String) throws {
    let copy = workspace.path("copy")
    try convert(fixture("gptj"), copy, to: format)
    let comparison = try compare(fixture("gptj"), copy)
    #expect(comparison.isIdentical)
    #expect(comparison.comparedCount == 35)
    #expect(try compare(copy, fixture("gptj")).isIdentical)
  }

  @Test func reshardedCopiesAreIdentical() throws {
    let copy = workspace.path("copy")
    try convert(fixture("gptj"), copy, to: "safetensors") {
      $0.settings.sharding = .maximumByteCount(50_000)
    }
    #expect(workspace.names(in: "copy").filter { $0.hasSuffix(".safetensors") }.count > 3)
    #expect(try compare(fixture("gptj"), copy).isIdentical)
  }

  @Test(arguments: [1, 2, 4]) func meshCopiesAreIdentical(shards: Int) throws {
    let copy = workspace.path("mesh")
    try convert(fixture("gptj"), copy, to: "mesh-transformer") {
      $0.settings.sharding = .count(shards)
    }
    let comparison = try compare(fixture("gptj"), copy)
    #expect(comparison.isIdentical, "\(comparison.differences.first?.name ?? "")")
    #expect(comparison.comparedCount == 35)
  }

  /// Blocks of one format are compared element by element where they differ.
  @Test func differencesOfBlocksAreCountedInElements() throws {
    func file(_ name: String, _ edit: (inout [UInt8]) -> Void) throws -> String {
      var block: [UInt8] = [0, 0x3c] + (0..<32).map { UInt8($0) }
      var file = GGUFBuilder()
      let first = block
      edit(&block)
      file.add(tensor: "t", type: 8, extents: [32, 2], first + block)
      return try workspace.write(name, Data(file.contents))
    }
    let one = try file("one.gguf") { _ in }
    let other = try file("other.gguf") {
      $0[2 + 5] = 99
      $0[2 + 7] = 98
    }
    #expect(try compare(one, workspace.copy(one, to: "copy.gguf")).isIdentical)
    let difference = try #require(compare(one, other).differences.first)
    #expect(difference.relation == .values && difference.differingCount == 2)
    #expect(difference.firstIndex == [1, 5] && difference.values?.maxAbsolute == 94)
  }

  // MARK: Other dtypes

  @Test(arguments: [DType.bf16, .f16]) func roundedCopiesAreEqualAfterRounding(dtype: DType) throws
  {
    let copy = workspace.path("copy")
    try convert(fixture("gpt2"), copy, to: "safetensors", dtype: dtype)
    for (one, other) in [(fixture("gpt2"), copy), (copy, fixture("gpt2"))] {
      let comparison = try compare(one, other)
      #expect(!comparison.isIdentical)
      #expect(comparison.differences.count == comparison.comparedCount)
      #expect(comparison.differences.contains { $0.relation == .equalAfterRounding })
      #expect(comparison.differences.allSatisfy { $0.relation.isExplained })
    }
  }

  @Test(arguments: [("F16", DType.f32), ("BF16", .f32), ("F16", .f64), ("F32", .f64)])
  func widenedCopiesAreEqualAfterWidening(of dtype: String, to wide: DType) throws {
    var sample = try ModelSample("llama_biases")
    if dtype != "F32" { sample.cast(to: dtype) }
    let narrow = try sample.write(workspace, "narrow")
    try convert(narrow, workspace.path("wide"), to: "safetensors", dtype: wide)
    let comparison = try compare(narrow, workspace.path("wide"))
    #expect(comparison.differences.count == comparison.comparedCount)
    #expect(comparison.differences.allSatisfy { $0.relation == .equalAfterWidening })
  }

  @Test func oneUlpBesideTheRoundedValueIsADifference() throws {
    let values: [Float] = [1.001, 2.5, -3.3333, 0]
    let rounded = values.map(\.bfloat16Bits)
    var wrong = rounded
    wrong[2] += 1
    func bytes(_ halves: [UInt16]) -> Data { halves.withUnsafeBytes { Data($0) } }
    let first = SampleTensor("a", [4], floats: values)
    let right = try compare([first], [SampleTensor("a", "BF16", [4], bytes(rounded))])
    #expect(right.differences.map(\.relation) == [.equalAfterRounding])
    let off = try compare([first], [SampleTensor("a", "BF16", [4], bytes(wrong))])
    #expect(off.differences.map(\.relation) == [.values])
    #expect(off.differences[0].values.map { $0.maxAbsolute > 0 && $0.maxUlp == nil } == true)
  }

  // MARK: Values

  @Test(arguments: [17, 5_000, 700_001]) func statisticsAreThoseOfAPlainLoop(count: Int) throws {
    var random = SampleRandom(seed: UInt64(count))
    let first: [Float] = random.floats(count).numbers()
    var second = first
    for index in stride(from: 3, to: count, by: 7) {
      second[index] += Float.random(in: -0.01...0.01, using: &random)
    }
    let comparison = try compare(
      [SampleTensor("a", [count], floats: first)], [SampleTensor("a", [count], floats: second)])
    let difference = try #require(comparison.differences.first)
    let values = try #require(difference.values)
    var (largest, ulps, squares, own, others, product) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    for (a, b) in zip(first, second) {
      let distance = abs(Double(a) - Double(b))
      largest = max(largest, distance)
      ulps = max(ulps, distance / Double(max(abs(a), abs(b)).ulp))
      squares += distance * distance
      own += Double(a) * Double(a)
      others += Double(b) * Double(b)
      product += Double(a) * Double(b)
    }
    #expect(difference.relation == .values)
    #expect(difference.differingCount == zip(first, second).count { $0 != $1 })
    #expect(difference.firstIndex == [first.indices.first { first[$0] != second[$0] } ?? -1])
    #expect(values.maxAbsolute == largest)
    #expect(values.maxUlp == ulps)
    #expect(abs(values.relativeL2 / (squares / own).squareRoot() - 1) < 1e-12)
    #expect(abs(values.cosine - product / (own * others).squareRoot()) < 1e-12)
  }

  /// However far apart values are, the distance is one that can be read.
  @Test func nothingIsMeasuredByWhatIsNearZero() throws {
    let comparison = try compare(
      [SampleTensor("a", [3], floats: [0, 1, -2])], [SampleTensor("a", [3], floats: [1, 1, 2])])
    let values = try #require(comparison.differences.first?.values)
    #expect(values.maxUlp == 0x1p24)
    #expect(comparison.differences.first?.zeroSignCount == nil)
    let infinite = try compare(
      [SampleTensor("a", [1], floats: [.infinity])], [SampleTensor("a", [1], floats: [1])])
    #expect(infinite.differences.first?.values?.maxUlp == .infinity)
  }

  @Test func signsOfZerosAreCounted() throws {
    let first = [SampleTensor("a", [4], floats: [0, -0.0, 3, 0])]
    let signs = try compare(first, [SampleTensor("a", [4], floats: [-0.0, 0, 3, 0])])
    #expect(signs.differences.first?.zeroSignCount == 2)
    #expect(signs.differences.first?.differingCount == 2)
    let more = try compare(first, [SampleTensor("a", [4], floats: [-0.0, -0.0, 4, 0])])
    #expect(more.differences.first?.zeroSignCount == 1)
    #expect(more.differences.first?.differingCount == 2)
  }

  @Test func theFirstDifferenceHasAnIndexForEachDimension() throws {
    let zeros = [Float](repeating: 0, count: 24)
    var one = zeros
    one[17] = 1
    let difference = try #require(
      try compare(
        [SampleTensor("a", [2, 3, 4], floats: zeros)], [SampleTensor("a", [2, 3, 4], floats: one)]
      ).differences.first)
    #expect(difference.firstIndex == [1, 1, 1])
    #expect(difference.differingCount == 1)
    #expect(difference.values?.relativeL2 == 1)
    #expect(difference.values?.cosine == 0)
  }

  @Test(arguments: [("F32", 4), ("F64", 8), ("F16", 2), ("BF16", 2)])
  func bitsOfNaNsAndZerosCount(dtype: String, size: Int) throws {
    // Exponent all ones: a quiet NaN, the same with a payload, a signalling one.
    let patterns: [UInt64] =
      switch dtype {
      case "F32": [0x7fc0_0000, 0x7fc0_0001, 0x7f80_0001]
      case "F64": [0x7ff8 << 48, 0x7ff8 << 48 | 1, 0x7ff0 << 48 | 1]
      case "F16": [0x7e00, 0x7e01, 0x7c01]
      default: [0x7fc0, 0x7fc1, 0x7f81]
      }
    func tensor(_ bits: UInt64) -> SampleTensor {
      SampleTensor(
        "a", dtype, [1], withUnsafeBytes(of: bits.littleEndian) { Data($0.prefix(size)) })
    }
    for one in patterns {
      for other in patterns {
        let comparison = try compare([tensor(one)], [tensor(other)])
        #expect(comparison.isIdentical == (one == other))
        if one != other {
          #expect(comparison.differences.map(\.relation) == [.values])
          #expect(comparison.differences.first?.differingCount == 1)
        }
      }
    }
    let sign = UInt64(1) << (8 * size - 1)
    let zeros = try compare([tensor(0)], [tensor(sign)])
    #expect(zeros.differences.first?.differingCount == 1)
    #expect(zeros.differences.first?.values?.maxAbsolute == 0)
  }

  @Test func infinitiesDifferByInfinitelyMuch() throws {
    let comparison = try compare(
      [SampleTensor("a", [2], floats: [1, .infinity])], [SampleTensor("a", [2], floats: [1, 2])])
    #expect(comparison.differences.first?.values?.maxAbsolute == .infinity)
    let document = try JSONSerialization.jsonObject(
      with: JSONEncoder().encode(comparison.differences))
    let values = ((document as? [[String: Any]])?.first?["values"]) as? [String: Any]
    #expect(values?["maxAbs"] is NSNull)
    #expect(values?.count == 6)
    #expect(values?["reason"] as? String == "a value, or its square, is infinite")
  }

  // MARK: Catalogues

  @Test func missingExtraAndReshapedTensorsAreNamed() throws {
    func tensor(_ name: String, _ shape: [Int]) -> SampleTensor {
      SampleTensor(name, shape, floats: Array(repeating: 1, count: shape.reduce(1, *)))
    }
    let comparison = try compare(
      [tensor("both", [3]), tensor("mine", [2]), tensor("turned", [2, 3]), tensor("empty", [0])],
      [tensor("theirs", [2]), tensor("turned", [3, 2]), tensor("both", [3]), tensor("empty", [0])])
    let relations = Dictionary(
      uniqueKeysWithValues: comparison.differences.map { ($0.name, $0.relation) })
    #expect(relations == ["mine": .missingInSecond, "theirs": .missingInFirst, "turned": .shape])
    #expect(comparison.comparedCount == 2)
    let turned = try #require(comparison.differences.first { $0.name == "turned" })
    #expect(turned.first?.shape == Shape([2, 3]))
    #expect(turned.second?.shape == Shape([3, 2]))
  }

  @Test(arguments: [("I32", 4), ("I64", 8), ("U8", 1), ("BOOL", 1)])
  func tensorsThatAreNoFloatsAreComparedByBits(dtype: String, size: Int) throws {
    let zeros = SampleTensor("a", dtype, [5], Data(count: 5 * size))
    var changed = zeros
    changed.data[3 * size] = 1
    #expect(try compare([zeros], [zeros]).isIdentical)
    let difference = try #require(try compare([zeros], [changed]).differences.first)
    #expect(difference.relation == .values)
    #expect(difference.differingCount == 1)
    #expect(difference.firstIndex == [3])
    #expect(difference.values == nil)
  }

  /// A language model within a larger one is compared with it under the names that it has by itself.
  @Test func aLanguageModelIsComparedWithTheWhole() throws {
    let workspace = try Workspace()
    let whole = try ModelSample("gemma3")
    var text = whole
    text.tensors.tensors.removeAll { !$0.name.hasPrefix("language_model.") }
    for index in text.tensors.tensors.indices {
      text.tensors.tensors[index].name.replace("language_model.", with: "", maxReplacements: 1)
    }
    text.configuration = try #require(whole.configuration["text_config"] as? [String: Any])
    text.configuration["model_type"] = "gemma3_text"
    let count = text.tensors.tensors.count
    let paths = [try whole.write(workspace, "whole"), try text.write(workspace, "text")]
    for (first, second) in [(paths[0], paths[1]), (paths[1], paths[0])] {
      let comparison = try compare(first, second)
      #expect(comparison.comparedCount == count)
      let relations = Set(comparison.differences.map(\.relation))
      #expect(relations.isSubset(of: [.missingInFirst, .missingInSecond]), "\(relations)")
    }
  }

  @Test func integersAndFloatsOfOneShapeDiffer() throws {
    let comparison = try compare(
      [SampleTensor("a", "I32", [2], Data(count: 8))], [SampleTensor("a", [2], floats: [0, 0])])
    #expect(comparison.differences.map(\.relation) == [.values])
  }
}
