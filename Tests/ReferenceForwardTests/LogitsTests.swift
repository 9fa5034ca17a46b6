// Bounds: transformers' own f32 is up to 9e-6 away from f64 on models of this size, and we may be as far on the other side of it.

import CheckpointFormats
import Foundation
import ModelArchitectures
import ReferenceForward
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Logits against those of the original frameworks.
@Suite struct LogitsTests {
  static let bound = 1e-5

  @Test func thereAreFixturesOfEveryKind() {
    #expect(Model.huggingFace.count >= 14)
    #expect(Model.mesh.count >= 3)
    #expect(Model.foreign.count >= 5)
    #expect(Model.withPrefix.count >= 5)
  }

  @Test(arguments: Model.huggingFace + Model.mesh + Model.foreign)
  func logitsAreTheReference(model: Model) throws {
    let tokens = try model.tokens
    let distance = largestDistance(
      try model.decoder().allLogits([tokens]), try model.reference())
    print("max |Δlogit| \(model): \(distance)")
    #expect(distance <= Self.bound)
  }

  @Test(arguments: Model.withPrefix)
  func prefixLogitsAreThoseOfAnExplicitMask(model: Model) throws {
    let logits = try model.decoder().allLogits([try model.tokens], prefix: 6)
    let distance = largestDistance(logits, try model.reference("prefix_logits"))
    print("max |Δlogit| with a prefix \(model): \(distance)")
    #expect(distance <= Self.bound)
    #expect(largestDistance(logits, try model.reference()) > 1e-3)
  }

  @Test(arguments: Model.withPrefix)
  func thePrefixesLastTokenChangesTheFirstLogitsOnlyInPrefixMode(model: Model) throws {
    let decoder = try model.decoder()
    let vocabulary = decoder.configuration.dimensions.vocabulary
    let tokens = try model.tokens
    for changed in [5, 6] {
      var others = tokens
      others[changed] = (others[changed] + 1) % vocabulary
      for prefix in [0, 6] {
        let one = try decoder.allLogits([tokens], prefix: prefix)
        let other = try decoder.allLogits([others], prefix: prefix)
        let isSame = one.prefix(vocabulary) == other.prefix(vocabulary)
        #expect(isSame == (prefix == 0 || changed == 6), "token \(changed), prefix \(prefix)")
      }
    }
  }

  @Test(arguments: ["gptj", "mistral_window"].map(Model.named))
  func prefixesOfOneTokenAndBeyondTheEndAreAllowed(model: Model) throws {
    let decoder = try model.decoder()
    let tokens = Array(try model.tokens.prefix(5))
    #expect(try decoder.allLogits([tokens], prefix: 1) == decoder.allLogits([tokens]))
    #expect(try decoder.allLogits([tokens], prefix: 9) == decoder.allLogits([tokens], prefix: 5))
  }

  @Test(arguments: Model.huggingFace)
  func rowsOfABatchAreTheSameAsAlone(model: Model) throws {
    let decoder = try model.decoder()
    let tokens = try model.tokens
    let rows = [Array(tokens.prefix(12)), Array(tokens[3..<15]), Array(tokens.suffix(12))]
    let together = try decoder.allLogits(rows)
    let alone = try rows.flatMap { try decoder.allLogits([$0]) }
    let distance = largestDistance(together, alone)
    // Of a mixture a token's place among those of its expert is another one.
    let bound = decoder.configuration.experts == nil ? 0 : Self.bound
    #expect(distance <= bound, "\(distance)")
  }

  @Test(arguments: ["gptj", "qwen2_tied", "gpt_neo"].map(Model.named))
  func rowsOfABatchMayHaveDifferentLengths(model: Model) throws {
    let decoder = try model.decoder()
    let tokens = try model.tokens
    let rows = [Array(tokens.prefix(9)), [tokens[2]], Array(tokens.suffix(17))]
    let together = try decoder.allLogits(rows, prefix: 3)
    let alone = try rows.flatMap { try decoder.allLogits([$0], prefix: 3) }
    #expect(largestDistance(together, alone) <= Self.bound)
  }

  @Test(arguments: Model.huggingFace)
  func theNumberOfThreadsChangesNoBit(model: Model) throws {
    let tokens = try model.tokens
    let one = try model.decoder(threads: 1).allLogits([tokens])
    for threads in [2, 3] {
      #expect(try model.decoder(threads: threads).allLogits([tokens]) == one)
    }
  }

  @Test(arguments: Model.huggingFace + Model.mesh)
  func weightsInMemoryComputeTheSame(model: Model) throws {
    let decoder = try model.decoder(keepsWeights: true)
    let tokens = try model.tokens
    let streamed = try model.decoder().allLogits([tokens])
    for _ in 0..<2 {
      #expect(largestDistance(try decoder.allLogits([tokens]), streamed) <= Self.bound)
    }
  }

  @Test(
    arguments: [("gptj", "BF16"), ("gptj", "F16"), ("gpt2", "BF16"), ("qwen2_tied", "F16")],
    [false, true])
  func narrowerCopiesRunAndAreNearby(of model: (String, String), keepsWeights: Bool) throws {
    let workspace = try Workspace()
    var sample = try ModelSample(model.0)
    sample.cast(to: model.1)
    let tokens = try Model.named(model.0).tokens
    let narrow = try decoder(at: sample.write(workspace, "narrow"), keepsWeights: keepsWeights)
    let reference = try Model.named(model.0).reference()
    let distance = largestDistance(try narrow.allLogits([tokens]), reference)
    let largest = reference.map { Double(abs($0)) }.max() ?? 0
    #expect(distance > 0)
    #expect(distance < largest * (model.1 == "BF16" ? 0.1 : 0.02), "\(distance) of \(largest)")
    // The same numbers, widened by this test, must give the same bits: widening is exact.
    var wide = sample
    for index in wide.tensors.tensors.indices where wide.tensors.tensors[index].dtype == model.1 {
      let halves: [UInt16] = wide.tensors.tensors[index].data.numbers()
      let values = halves.map {
        model.1 == "BF16"
          ? Float(bitPattern: UInt32($0) << 16) : Float(Float16(bitPattern: $0))
      }
      wide.tensors.tensors[index].dtype = "F32"
      wide.tensors.tensors[index].data = values.withUnsafeBytes { Data($0) }
    }
    let widened = try decoder(at: wide.write(workspace, "wide"), keepsWeights: keepsWeights)
    #expect(try narrow.allLogits([tokens]) == widened.allLogits([tokens]))
  }
}
