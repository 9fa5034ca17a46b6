import CheckpointConversion
import FileContainers
import Foundation
import Quantization
import TensorModel
import TestSupport
import Testing

/// Values that the output dtype has no room for.
@Suite struct OverflowTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func source(_ floats: [Float], _ shape: [Int]) throws -> String {
    let sample = SafetensorsSample([
      SampleTensor("model.fine", [2], floats: [1, 65504]),
      SampleTensor("model.probe", shape, floats: floats),
    ])
    return try workspace.write("in.safetensors", sample.fileContents)
  }

  @Test func isRefusedWithTensorPlaceAndValue() throws {
    let floats: [Float] = [1, 2, 3, 4, 65504, -70000, 1e9, .infinity]
    let error = try #require(
      failure(of: request(source(floats, [2, 4]), workspace.path("out"), dtype: .f16)))
    #expect(error.code == .overflow)
    #expect(error.tensor == "model.probe")
    #expect(error.description.contains("[1, 1]"))
    #expect(error.description.contains("-70000"))
    #expect(error.description.contains("2 values"))
    #expect(error.hint?.contains("--allow-overflow") == true)
    #expect(workspace.names() == ["in.safetensors"])
  }

  /// A scale of 9000 makes finite numbers that F16 doesn't have, in the embedding that stays floats and in what is quantized from F16.
  @Test(arguments: [
    ("token_embd.weight", Float16(-9000), "w4a16-g32", "72000 at [0, 0]"),
    ("blk.0.attn_q.weight", 9000, "mlx-q4-g32", "one at [0, 0]"),
  ])
  func blocksBeyondF16AreTooLargeAndNotDamaged(
    _ name: String, _ scale: Float16, _ scheme: String, _ place: String
  ) throws {
    let original = Fixtures.path("gguf/mistral_window.Q4_0.gguf")
    let header = try GGUFHeader(InputFile(path: original).region)
    let tensor = try #require(header.tensors.first { $0.name == name })
    let start = tensor.range.lowerBound
    var bytes = try Data(contentsOf: URL(filePath: original))
    // A block: the scale, and 32 codes of 0, which stand for -8.
    let block = withUnsafeBytes(of: scale.bitPattern.littleEndian) { Data($0) } + Data(count: 16)
    bytes.replaceSubrange(start..<start + block.count, with: block)
    let file = workspace.path("in.gguf")
    try bytes.write(to: URL(filePath: file))
    let chosen = try #require(QuantizationScheme(named: scheme))
    let error = try #require(
      failure(
        of: request(file, workspace.path("out")) {
          $0.format = chosen.container.format
          $0.settings.quantization = QuantizationRequest(chosen)
        }))
    #expect(error.code == .overflow && error.description.contains(place))
    #expect(error.hint?.contains("--tensor-type") == true)
    #expect(error.hint?.contains("--dtype") == false)
  }

  @Test func isRefusedForOneFileToo() throws {
    let error = failure(
      of: request(try source([65520], [1]), workspace.path("out.safetensors"), dtype: .f16))
    #expect(error?.code == .overflow)
    #expect(workspace.names() == ["in.safetensors"])
  }

  @Test func largestNumbersThatRoundDownAreNone() throws {
    try convert(source([65519.99, -65519.99], [2]), workspace.path("out"), dtype: .f16)
    let written = try SafetensorsSample(folder: workspace.path("out"))
    #expect(written["model.probe"]?.data == Data([0xff, 0x7b, 0xff, 0xfb]))
  }

  @Test func isCountedWhereItIsAllowed() throws {
    let floats: [Float] = [1, 70000, -1e30, .infinity, -.infinity, .nan]
    let outcome = try convert(source(floats, [6]), workspace.path("out"), dtype: .f16) {
      $0.settings.allowOverflow = true
    }
    let records = outcome.certificate.tensors
    #expect(records.map(\.overflowCount) == [0, 2])
    #expect(records.map(\.exactness) == [.exact, .rounded])
    let written = try SafetensorsSample(folder: workspace.path("out"))
    #expect(
      written["model.probe"]?.data
        == Data([0, 0x3c, 0, 0x7c, 0, 0xfc, 0, 0x7c, 0, 0xfc, 0, 0x7e]))
  }

  @Test func ofBF16IsRefusedToo() throws {
    let error = failure(
      of: request(
        try source([.greatestFiniteMagnitude], [1]), workspace.path("out"), dtype: .bf16))
    #expect(error?.code == .overflow)
    #expect(error?.hint?.contains("f32") == true)
  }
}
