import CheckpointConversion
import Foundation
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
