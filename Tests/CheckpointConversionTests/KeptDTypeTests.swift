import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// `--dtype keep` to a store never rounds: of a Mesh-Transformer checkpoint in bf16, sums over shards that bf16 can't hold are kept in F32,
/// tensor by tensor.
@Suite struct KeptDTypeTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let shards = 2

  /// Writes a step whose leaves are whole numbers in bf16; every summed bias is 256 in one shard and `addend` in the other.
  private func writeStep(addend: Float) throws {
    let dimensions = Architecture.Dimensions(layers: 1, model: 4, inner: 16, vocabulary: 6)
    let table = try #require(Architecture.gptj.mesh).leaves(layers: 1)
    for shard in 0..<Self.shards {
      var arrays: [[UInt8]] = []
      for (name, leaf, _) in table {
        let shape = try #require(leaf.shardShape(dimensions, shards: Self.shards))
        let values = (0..<shape.elementCount).map { index -> Float in
          switch leaf.partition {
          case .summed: shard == 0 ? 256 : index == 1 ? addend : 0
          case .firstShard: shard == 0 ? 3 : name.hasSuffix("scale") ? 1 : 0
          case .axis: Float(2 * (index % 7))
          }
        }
        let bytes = values.flatMap { UInt16($0.bitPattern >> 16).littleEndianBytes }
        arrays.append(npyFile("|V2", shape.dimensions, bytes))
      }
      arrays.append(npyFile("<i4", [], Int32(5).littleEndianBytes))
      for piece in 0..<16 {
        let (start, end) = (piece * arrays.count / 16, (piece + 1) * arrays.count / 16)
        try workspace.write(
          "step_5/shard_\(shard)/\(piece).npz", Data(npzFile(Array(arrays[start..<end]))))
      }
    }
  }

  private func convertStep(dtype: DType? = nil) throws -> [ExactName: SampleTensor] {
    let configuration = """
      {"layers": 1, "d_model": 4, "n_heads": 2, "n_vocab": 6, "norm": "layernorm", "pe": "rotary",
      "pe_rotary_dims": 2, "seq": 16}
      """
    let outcome = try convertToStore(workspace.path("step_5"), workspace.path("out.store")) {
      $0.openOptions.configuration = Array(configuration.utf8)
      $0.settings.dtype = dtype
    }
    if dtype == nil {
      #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
    }
    #expect(try verification(of: workspace.path("out.store")).findings.isEmpty)
    return try contents(of: workspace.path("out.store"))
  }

  @Test func keepsSumsThatFit() throws {
    try writeStep(addend: 2)
    let tensors = try convertStep()
    #expect(tensors.values.allSatisfy { $0.dtype == "BF16" })
    // 256 and 258.
    let bias = try #require(tensors["transformer.h.0.mlp.fc_out.bias"])
    #expect(bias.data == Data([0x80, 0x43, 0x81, 0x43, 0x80, 0x43, 0x80, 0x43]))
  }

  @Test func widensOnlyTensorsWhoseSumsDoNotFit() throws {
    try writeStep(addend: 1)
    let tensors = try convertStep()
    let wide = Set(tensors.values.filter { $0.dtype != "BF16" }.map(\.name))
    #expect(wide.allSatisfy { tensors[ExactName($0)]?.dtype == "F32" })
    // The embedding's bias is added to its rows.
    #expect(wide == ["transformer.h.0.mlp.fc_out.bias", "transformer.wte.weight"])
    let bias = try #require(tensors["transformer.h.0.mlp.fc_out.bias"])
    let expected: [Float] = [256, 257, 256, 256]
    #expect(bias.data == expected.withUnsafeBytes { Data($0) })
  }

  @Test func roundsWhereADTypeIsAskedFor() throws {
    try writeStep(addend: 1)
    let tensors = try convertStep(dtype: .bf16)
    #expect(tensors.values.allSatisfy { $0.dtype == "BF16" })
  }
}
