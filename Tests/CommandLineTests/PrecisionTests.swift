import Foundation
import TestSupport
import Testing

/// What `inspect --statistics` says about dtypes that would hold the values.
@Suite struct PrecisionTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func run(_ tensors: [SampleTensor], _ arguments: String...) throws -> Weighbridge.Outcome
  {
    let file = try workspace.write("in.safetensors", SafetensorsSample(tensors).fileContents)
    let outcome = try Weighbridge.run(["inspect", file, "--statistics"] + arguments)
    #expect(outcome.code == 0)
    return outcome
  }

  private func precision(_ tensors: [SampleTensor]) throws -> [String: Any] {
    let object = try run(tensors, "--json").object
    return try #require(object["effective_precision"] as? [String: Any])
  }

  /// Eleven significant bits: a number of F16, not of BF16.
  private static let half: Float = 1 + 0x1p-10
  private static let integers = SampleTensor("steps", "I64", [2], Data(count: 16))

  @Test func saysThatSinglesAreHalvesInside() throws {
    let tensors = [
      SampleTensor("a", [2], floats: [Self.half, -0x1p-24]), SampleTensor("b", [1], floats: [1]),
      Self.integers,
    ]
    let text = try run(tensors)
    #expect(
      text.text.contains(
        "\nprecision     this F32 checkpoint is F16 inside: 22 bytes would hold it exactly\n"))
    #expect(
      text.errors.contains(
        "note: this F32 checkpoint is F16 inside: 22 bytes would hold it exactly [effective-precision]"
      ))
    let remarks = text.text.split(separator: "\n").suffix(3)
    #expect(remarks.first?.hasSuffix("  F16 inside") == true)
    #expect(remarks.dropFirst().first?.hasSuffix("  F16 or BF16 inside") == true)
    #expect(remarks.last?.hasSuffix("inf 0") == true)
    #expect(
      try NSDictionary(dictionary: precision(tensors)) == [
        "element_count": 3, "narrowest": ["F16"], "narrowest_byte_count": 22,
        "casts": [
          [
            "dtype": "F16", "changed_count": 0, "overflow_count": 0, "flushed_count": 0,
            "subnormal_count": 0,
          ],
          [
            "dtype": "BF16", "changed_count": 1, "overflow_count": 0, "flushed_count": 0,
            "subnormal_count": 0,
          ],
        ],
        "groups": [
          ["dtype": "F32", "narrowest": ["F16"], "tensor_count": 1, "byte_count": 8],
          ["dtype": "F32", "narrowest": ["F16", "BF16"], "tensor_count": 1, "byte_count": 4],
        ],
      ])
  }

  @Test func saysWhatCastsWouldLose() throws {
    let tensors = [SampleTensor("a", [4], floats: [0.1, 70_000, 0x1p-30, 0x1.8p-24])]
    let text = try run(tensors)
    #expect(
      text.text.contains(
        """
        precision     a cast to F16 would change 100 % of the values, 1 overflows, 1 becomes zero, 1 loses bits as subnormal numbers
                      a cast to BF16 would change 50 % of the values
        """))
    #expect(text.text.hasSuffix("  as F16: 1 overflows, 1 becomes zero\n"))
    #expect(!text.errors.contains("effective-precision"))
    #expect(try precision(tensors)["narrowest"] as? [String] == ["F32"])
  }

  @Test func saysWhichTensorsOfAMixtureAreWhich() throws {
    let tensors = [
      SampleTensor("a", [3], floats: [Self.half, 1, 2]), SampleTensor("b", [1], floats: [0.1]),
      SampleTensor("c", "BF16", [2], Data([0x80, 0x3f, 0x80, 0x7e])),
    ]
    let text = try run(tensors)
    #expect(
      text.text.contains(
        "\nprecision     1 F32 tensor (12 bytes) is F16 inside, 1 BF16 tensor (4 bytes), 1 F32 tensor (4 bytes)\n"
      ))
    #expect(!text.errors.contains("effective-precision"))
    let found = try precision(tensors)
    // All in one dtype would take more than they take now.
    #expect(found["narrowest"] as? [String] == ["F32"])
    #expect(found["narrowest_byte_count"] as? Int == 24)
    // Two dtypes of which each holds what the other one doesn't.
    let apart = try precision([
      SampleTensor("a", "F16", [1], Data([0x01, 0x3c])),
      SampleTensor("b", "BF16", [1], Data([0x80, 0x7e])),
    ])
    #expect(apart["narrowest"] as? [String] == ["F32"])
    #expect(apart["narrowest_byte_count"] as? Int == 8)
  }

  @Test func saysThatHalvesFitTheOtherHalves() throws {
    let text = try run([SampleTensor("a", "F16", [1], Data([0x00, 0x3c]))])
    #expect(text.text.contains("\nprecision     a cast to BF16 would change no value\n"))
    #expect(!text.errors.contains("effective-precision"))
  }

  @Test func isSilentWithoutFloats() throws {
    let object = try run([Self.integers], "--json").object
    #expect(object["effective_precision"] == nil)
    #expect(try !run([Self.integers]).text.contains("precision"))
    // Nothing of F32 doesn't fit, but nothing gets smaller.
    let empty = try run([SampleTensor("none", [0], floats: [])])
    #expect(!empty.errors.contains("effective-precision"))
  }
}
