import CheckpointFormats
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// What errors count for: in a search for scales, and in a choice of types.
@Suite struct ChoiceCostTests {
  @Test func searchesAddTheMeanOfEachMatrixToImportances() {
    let values: [Float] = [0, 2, 4, 6]
    #expect(ColumnImportance(origin: "a", values: values, columns: 2, .plain).values == values)
    #expect(
      ColumnImportance(origin: "a", values: values, columns: 2, .best).values == [1, 3, 9, 11])
    #expect(
      ColumnImportance(origin: "a", values: values, columns: 4, .best).values == [3, 5, 7, 9])
  }

  @Test(arguments: [
    ("gptj", "lm_head.weight", 32.0), ("gptj", "transformer.wte.weight", 8),
    ("gptj", "transformer.h.0.attn.q_proj.weight", 1),
    // The embedding is the head, too.
    ("gpt2", "transformer.wte.weight", 32),
  ])
  func headAndEmbeddingCountMore(_ model: String, _ name: String, _ factor: Double) throws {
    let source = try Source(Fixtures.path("huggingface/\(model)"))
    #expect(Sensitivity(try source.model()).of(.stored(name)) == factor)
  }

  @Test func anExpertCountsItsPart() throws {
    let model = try Source(Fixtures.path("huggingface/mixtral")).model()
    let sensitivity = Sensitivity(model)
    let experts = model.placed.filter { $0.0.number != nil }.map { sensitivity.of($0.1.expression) }
    #expect(!experts.isEmpty && experts.allSatisfy { $0 < 1 })
  }
}
