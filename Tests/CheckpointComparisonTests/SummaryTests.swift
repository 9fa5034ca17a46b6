import CheckpointComparison
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// What moved, by kind of weight and by layer.
@Suite struct SummaryTests {
  /// A known family's fine-tune: queries of layer 1 are 1 % larger, the head's bias is another.
  private func tuned(_ sample: ModelSample) -> ModelSample {
    var tuned = sample
    tuned.edit("transformer.h.1.attn.q_proj.weight") { $0 = $0.map { $0 * 1.01 } }
    tuned.edit("lm_head.bias") { $0[7] += 0.5 }
    return tuned
  }

  private func squares(_ sample: ModelSample, _ names: [String]) -> Double {
    var sum = 0.0
    for name in names {
      let values: [Float] = sample.tensors[name]?.data.numbers() ?? []
      for value in values { sum += Double(value) * Double(value) }
    }
    return sum
  }

  @Test func kindsAndLayersOfAKnownFamilyAreSummedUp() throws {
    let workspace = try Workspace()
    let base = try ModelSample("gptj")
    let comparison = try compare(
      base.write(workspace, "base"), tuned(base).write(workspace, "tuned"))
    let summary = comparison.summary
    #expect(summary.all.tensorCount == 35 && summary.all.equalCount == 33)
    #expect(summary.all.roundedCount == 0)

    let queries = try #require(summary.kinds.first { $0.kind == "attention query" }?.group)
    #expect(queries.tensorCount == 3 && queries.equalCount == 2)
    let names = (0..<3).map { "transformer.h.\($0).attn.q_proj.weight" }
    let wanted = 0.01 * (squares(base, [names[1]]) / squares(base, names)).squareRoot()
    let movement = try #require(queries.movement)
    #expect(abs(movement.relativeL2 / wanted - 1) < 1e-4)
    #expect(abs(movement.squaredNorm / squares(base, names) - 1) < 1e-12)
    #expect(movement.elementCount == 3 * 64 * 64)
    #expect(abs(movement.rms - (movement.squaredChange / 12288).squareRoot()) < 1e-15)

    let keys = try #require(summary.kinds.first { $0.kind == "attention key" }?.group)
    #expect(keys.equalFraction == 1 && keys.movement?.relativeL2 == 0)
    #expect(summary.layers.map(\.layer) == [nil, 0, 1, 2])
    #expect(summary.layers.allSatisfy { $0.stack == nil })
    #expect(summary.layers.map { $0.group.tensorCount - $0.group.equalCount } == [1, 0, 1, 0])
    let all = base.tensors.tensors.map(\.name)
    #expect(abs((summary.all.movement?.squaredNorm ?? 0) / squares(base, all) - 1) < 1e-12)
    #expect(comparison.differences.map(\.place.kind).sorted() == ["attention query", "head bias"])
  }

  @Test func otherDtypesAreNoMovement() throws {
    let workspace = try Workspace()
    var narrow = try ModelSample("llama_biases")
    narrow.cast(to: "BF16")
    let path = try narrow.write(workspace, "narrow")
    try convert(path, workspace.path("wide"), to: "safetensors", dtype: .f32)
    let widened = try compare(path, workspace.path("wide")).summary.all
    #expect(widened.equalFraction == 1 && widened.movement?.squaredChange == 0)
    let rounded = try compare(fixture("llama_biases"), path).summary.all
    #expect(rounded.equalCount + rounded.roundedCount == rounded.tensorCount)
    #expect(rounded.movement.map { $0.relativeL2 > 0 && $0.relativeL2 < 0.004 } == true)
  }

  @Test func unknownModelsAreGroupedByTheirNames() throws {
    func tensors(_ change: Float) -> [SampleTensor] {
      [
        "encoder.block.0.q.weight", "encoder.block.1.q.weight", "decoder.block.0.q.weight",
        "decoder.block.0.experts.0.up.weight", "decoder.block.0.experts.1.up.weight", "shared",
        "layer_10/w", "fc1.weight",
      ].map { SampleTensor($0, [2], floats: [1, $0.hasPrefix("enc") ? 1 + change : 1]) }
    }
    let summary = try compare(tensors(0), tensors(1)).summary
    #expect(
      Set(summary.kinds.map(\.kind)) == [
        "encoder.block.*.q", "decoder.block.*.q", "decoder.block.*.experts.*.up", "shared",
        "layer_*/w", "fc1.weight",
      ])
    let layers = summary.layers.map { "\($0.stack ?? "-") \($0.layer.map(String.init) ?? "-")" }
    #expect(layers.first == "- -")
    #expect(
      Set(layers) == ["- -", "encoder.block 0", "encoder.block 1", "decoder.block 0", "layer 10"])
    #expect(summary.layers.first { $0.stack == "decoder.block" }?.group.tensorCount == 3)
    #expect(
      summary.kinds.first { $0.kind == "encoder.block.*.q" }?.group.movement?.relativeL2
        == Double(0.5).squareRoot())
  }

  @Test func layersStandInTheirOrder() throws {
    let tensors = [10, 2, 1].map { SampleTensor("h.\($0).w", [1], floats: [1]) }
    #expect(try compare(tensors, tensors).summary.layers.map(\.layer) == [1, 2, 10])
  }

  @Test func numbersThatCountNoLayersAreNoLayers() throws {
    let tensors = ["h.12345.w", "h..w", ".", "2", "a_3.b"].map {
      SampleTensor($0, "I32", [1], Data(count: 4))
    }
    let summary = try compare(tensors, tensors).summary
    #expect(Set(summary.kinds.map(\.kind)) == ["h.12345.w", "h..w", ".", "*", "a_3.b"])
    #expect(summary.layers.map(\.layer) == [nil, 2])
    #expect(summary.all.movement == nil)
  }

  /// Values that are infinite, or aren't there, are null with a reason.
  @Test func whatIsNoNumberHasAReason() throws {
    func group(_ first: [SampleTensor], _ second: [SampleTensor]) throws -> NSDictionary {
      let summary = try compare(first, second).summary
      let document = try JSONSerialization.jsonObject(with: JSONEncoder().encode(summary))
      return try #require(((document as? NSDictionary)?["all"]) as? NSDictionary)
    }
    let whole = [SampleTensor("a", "I32", [1], Data(count: 4))]
    #expect(try group(whole, whole)["reason"] as? String == "no tensor is of floats")
    let infinite = try group(
      [SampleTensor("a", [1], floats: [.infinity])], [SampleTensor("a", [1], floats: [1])])
    #expect(infinite["relative_l2"] is NSNull && infinite["rms"] is NSNull)
    #expect(infinite["reason"] as? String == "a value, or its square, is infinite")
  }

  /// Distances in ulps are only of a dtype that both have.
  @Test func ulpsAreOfOneDtype() throws {
    func values(_ second: SampleTensor) throws -> NSDictionary {
      let comparison = try compare([SampleTensor("a", [1], floats: [1])], [second])
      let document = try JSONSerialization.jsonObject(
        with: JSONEncoder().encode(comparison.differences))
      return try #require((document as? [[String: Any]])?.first?["values"] as? NSDictionary)
    }
    let same = try values(SampleTensor("a", [1], floats: [Float(1).nextUp]))
    #expect(same["maxUlp"] as? Double == 1 && same["reason"] == nil)
    let half = try values(SampleTensor("a", "F16", [1], Data([0, 0x40])))
    #expect(half["maxUlp"] is NSNull && half["maxAbs"] as? Double == 1)
    #expect(half["reason"] as? String == "ulps are of one float dtype that both have")
  }
}
