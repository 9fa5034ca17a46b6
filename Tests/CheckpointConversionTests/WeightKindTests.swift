import CheckpointFormats
import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Weights whose errors are measured together.
@Suite struct WeightKindTests {
  @Test(arguments: [1, 2, 3, 4, 5, 7, 10, 32, 61])
  func theDepthHasFourPartsAtMost(_ layerCount: Int) {
    let kinds = (0..<layerCount).map {
      WeightKind(DecoderPlace(.weight(.down), $0), layerCount: layerCount)
    }
    for (layer, kind) in kinds.enumerated() {
      #expect(kind.purpose == .feedForwardOut && kind.layers?.contains(layer) == true)
    }
    // Parts follow each other, and are of about one length.
    var seen: Set<WeightKind> = []
    let parts = kinds.filter { seen.insert($0).inserted }.compactMap(\.layers)
    #expect(parts.count == min(4, layerCount))
    #expect(parts.first?.lowerBound == 0 && parts.last?.upperBound == layerCount)
    #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    let counts = parts.map(\.count)
    #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
  }

  @Test(arguments: [
    ("gptj", "lm_head.weight", WeightKind.Purpose.head),
    ("gptj", "transformer.wte.weight", .embedding),
    ("gptj", "transformer.h.1.attn.v_proj.weight", .attentionIn),
    ("gptj", "transformer.h.1.attn.out_proj.weight", .attentionOut),
    ("gptj", "transformer.h.1.mlp.fc_in.weight", .feedForwardIn),
    ("gpt2", "transformer.wte.weight", .embedding), ("gptj", "no.such.weight", .other),
  ])
  func purposesAreThoseOfTheModel(_ model: String, _ name: String, _ purpose: WeightKind.Purpose)
    throws
  {
    let source = try Source(Fixtures.path("huggingface/\(model)"))
    let kind = Sensitivity(try source.model()).kind(.stored(name))
    #expect(kind.purpose == purpose)
    #expect(kind.layers == (name.contains(".h.1.") ? 1..<2 : nil))
    #expect(kind.isAtEnd == (purpose == .head || purpose == .embedding))
  }

  @Test func factorsAreOneOnAverage() {
    func kind(_ layer: Int) -> WeightKind {
      WeightKind(DecoderPlace(.weight(.output), layer), layerCount: 4)
    }
    let scaled = KindTrial.scaled([kind(0): 2, kind(1): 8, kind(2): 4])
    #expect(
      scaled.mapValues { ($0 * 1e9).rounded() / 1e9 } == [kind(0): 0.5, kind(1): 2, kind(2): 1])
    let extremes = KindTrial.scaled([kind(0): 1e-9, kind(1): 1e9])
    #expect(extremes == [kind(0): 1e-3, kind(1): 1e3])
    #expect(KindTrial.scaled([:]).isEmpty)
  }
}
