import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import Foundation
import TensorModel
import TestSupport
import Testing

/// What `verify` says of scales of zero, and what it calls the parts of a weight.
@Suite struct ScaleFindingTests {
  private func findings(
    _ name: String, _ part: String, _ edit: (inout Data) -> Void
  ) throws -> [Finding] {
    let room = try Workspace()
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == name })
    var sample = try golden.sample()
    let place = try #require(sample.tensors.firstIndex { $0.name.hasSuffix(part) })
    edit(&sample.tensors[place].data)
    let report = try Verifier(golden.copy(sample, in: room), OpenOptions(), smallResources)
      .run(against: nil)
    return report.findings.filter { $0.tensor?.hasSuffix(part) == true }
  }

  @Test(arguments: [
    ("ct_qwen2_nvfp4a16", ".weight_global_scale", Finding.Severity.error),
    ("modelopt_nvfp4", ".weight_scale_2", .warning),
    ("ct_qwen2_nvfp4a16", ".weight_scale", .warning),
    ("gptq_v1_llama", ".scales", .warning), ("fp8_block_qwen2", ".weight_scale_inv", .warning),
  ])
  func scalesOfZeroAreSaid(_ name: String, _ part: String, _ severity: Finding.Severity) throws {
    let found = try findings(name, part) { $0 = Data(count: $0.count) }
    #expect(found.filter { $0.check == "zero-scale" }.map(\.severity) == [severity], "\(found)")
  }

  @Test func othersAreNot() throws {
    for golden in QuantizedSourceTests.all {
      let report = try Verifier(golden.path, OpenOptions(), smallResources).run(against: nil)
      #expect(!report.findings.contains { $0.check == "zero-scale" }, "\(golden.name)")
    }
  }

  @Test(arguments: [
    ("ct_llama_fp8_dynamic", ".weight", UInt8(0x7f), "1 code of "),
    ("mlx_llama_q4_g64", ".biases", 0xff, "1 offset of "),
    ("mlx_llama_q4_g64", ".scales", 0xff, "1 scale of "),
    ("bnb_nf4_llama", ".quant_map", 0xff, "1 table value of "),
  ])
  func partsAreCalledWhatTheyAre(
    _ name: String, _ part: String, _ byte: UInt8, _ said: String
  ) throws {
    let found = try findings(name, part) { data in
      let width = part == ".weight" ? 1 : part == ".quant_map" ? 4 : 2
      for place in 0..<width { data[data.startIndex + place] = byte }
    }
    let message = try #require(found.first { $0.check == "nan" }?.message)
    #expect(message.hasPrefix(said), "\(message)")
  }
}
