import CheckpointFormats
import CheckpointVerification
import Foundation
import TensorModel
import TestSupport
import Testing

/// Scales of what layers are given, which other programs can't do without.
@Suite struct ActivationScaleTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func folder(
    _ name: String, replacing old: String = "", with new: String = "",
    _ edit: (inout SafetensorsSample) -> Void = { _ in }
  ) throws -> String {
    let golden = try #require(QuantizedSourceTests.all.first { $0.name == name })
    var sample = try golden.sample()
    edit(&sample)
    let folder = try golden.copy(sample, in: workspace)
    let path = URL(filePath: "\(folder)/config.json")
    let text = try String(contentsOf: path, encoding: .utf8)
    #expect(old.isEmpty || text.contains(old))
    try Data((old.isEmpty ? text : text.replacing(old, with: new)).utf8).write(to: path)
    return folder
  }

  private func missing(_ folder: String) throws -> [String?] {
    let model = try Source(folder).model()
    #expect(model.quantized?.problems.isEmpty == true, "weights can be read all the same")
    return model.problems.filter { $0.check == "companion-missing" }.map(\.error.tensor)
  }

  private static let scale = "model.layers.0.self_attn.k_proj.input_scale"

  @Test func oneThatTheConfigurationSaysMustBeThere() throws {
    let lost = try folder("fp8_tensor") { sample in
      sample.tensors.removeAll { $0.name == Self.scale }
    }
    #expect(try missing(lost) == [Self.scale])
  }

  @Test(arguments: [
    (#""dynamic": true"#, #""dynamic": false"#, [scale]),
    (
      #""dynamic": true"#, #""dynamic": "local""#, [String]()
    ),
    (
      #""strategy": "token""#, #""strategy": "tensor_group""#, []
    ),
  ])
  func groupsSayWhichThereAre(_ old: String, _ new: String, _ expected: [String]) throws {
    #expect(
      try missing(folder("ct_llama_fp8_dynamic", replacing: old, with: new)) == expected)
  }

  /// A layer that alone lacks it.
  @Test func oneThatOthersHaveMustBeThere() throws {
    let other = "model.layers.1.self_attn.k_proj"
    let lost = try folder("modelopt_fp8") { sample in
      for tensor in sample.tensors where tensor.name.hasPrefix("model.layers.0.self_attn.k_proj.") {
        guard !tensor.name.hasSuffix(".input_scale") else { continue }
        var copy = tensor
        copy.name = tensor.name.replacing("layers.0", with: "layers.1")
        sample.tensors.append(copy)
      }
    }
    #expect(try missing(lost) == ["\(other).input_scale"])
  }

  @Test func oneOfZeroIsAnError() throws {
    let zero = try folder("fp8_tensor") { sample in
      for place in sample.tensors.indices where sample.tensors[place].name == Self.scale {
        sample.tensors[place].data = Data(count: sample.tensors[place].data.count)
      }
    }
    let report = try Verifier(zero, OpenOptions(), smallResources).run(against: nil)
    let found = report.findings.filter { $0.check == "zero-scale" }
    #expect(found.map(\.severity) == [.error] && found.first?.tensor == Self.scale)
  }

  @Test func whatIsWholeLacksNone() throws {
    for golden in QuantizedSourceTests.all where try Source(golden.path).model().quantized != nil {
      #expect(try missing(golden.path).isEmpty, "\(golden.name)")
    }
  }
}
