import CheckpointConversion
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// The same command gives the same bytes, whatever it may use.
@Suite struct DeterminismTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  @Test func threadsMemoryAndRunsDontChangeAByte() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s4_perturbed_slim_f16" })
    let minimum = EvaluationResources.minimumMemory
    let budgets = [
      (1_000_000_000, 1), (1_000_000_000, 2), (1_000_000_000, 5), (minimum, 1), (5 * minimum, 5),
      (1_000_000, 2), (1_000_000_000, 2),
    ]
    var first: [String: Data]?
    for (number, (memory, threads)) in budgets.enumerated() {
      let folder = "out\(number)"
      try _ = fixture.convert(
        to: workspace.path(folder), dtype: .bf16,
        resources: EvaluationResources(memory: memory, threads: threads)
      ) { $0.settings.sharding = .maximumByteCount(100_000) }
      let files = try workspace.snapshot(of: folder)
      #expect(files.count > 5)
      #expect(files["weighbridge-certificate.json"] != nil)
      #expect((first ?? files) == files, "\(memory) bytes, \(threads) threads")
      first = first ?? files
    }
  }

  /// Tensors of several slabs, whose edges lie elsewhere with every budget.
  @Test func slabsDontShowInTheResult() throws {
    var random = SampleRandom(seed: 9)
    let sample = SafetensorsSample([
      SampleTensor("wide", "F32", [3, 70_001], random.floats(210_003)),
      SampleTensor("tall", "F32", [70_001, 1], random.floats(70_001)),
      SampleTensor("flat", "F32", [70_001], random.floats(70_001)),
    ])
    let source = try workspace.write("in.safetensors", sample.fileContents)
    var results: Set<[String: Data]> = []
    for (number, memory) in [1_000_000, 2_500_000, 64_000_000].enumerated() {
      let resources = EvaluationResources(memory: memory * 3, threads: 3)
      try convert(source, workspace.path("out\(number)"), dtype: .bf16, resources: resources)
      results.insert(try workspace.snapshot(of: "out\(number)"))
    }
    #expect(results.count == 1)
    let written = try SafetensorsSample(folder: workspace.path("out0"))
    for tensor in sample.tensors {
      let data = try #require(written[tensor.name]).data
      #expect(data == Self.bf16(of: tensor.data), "\(tensor.name)")
    }
  }

  /// F32 numbers that are neither special nor halfway, rounded.
  private static func bf16(of data: Data) -> Data {
    let halves = data.withUnsafeBytes { bytes in
      bytes.bindMemory(to: UInt32.self).map { UInt16(truncatingIfNeeded: ($0 + 0x8000) >> 16) }
    }
    return halves.withUnsafeBytes { Data($0) }
  }
}
