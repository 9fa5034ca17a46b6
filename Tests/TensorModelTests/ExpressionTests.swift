import Foundation
import TensorModel
import Testing

@Suite struct ExpressionTests {
  private static let stored: [String: TensorType] = [
    "m": TensorType(.f32, [3, 4]), "half": TensorType(.f16, [3, 4]),
    "wide": TensorType(.f32, [3, 6]), "tall": TensorType(.f32, [5, 4]),
    "row": TensorType(.bf16, [4]), "long": TensorType(.f32, [6]),
    "cube": TensorType(.f32, [2, 3, 4]), "scalar": TensorType(.f32, []),
    "ints": TensorType(.i32, [3, 4]), "introw": TensorType(.i32, [4]),
    "packed": TensorType(.f4, [4, 4]), "empty": TensorType(.f32, [0, 4]),
    "double": TensorType(.f64, [3, 4]), "bytes": TensorType(.u8, [7]),
    "huge": TensorType(.u8, [1 << 62, 1]), "line": TensorType(.bf16, [1, 4]),
    "packedline": TensorType(.f4, [1, 4]), "nothing": TensorType(.i32, [1, 0]),
    "none": TensorType(.f32, [0, 4]), "slab": TensorType(.f32, [1, 1, 4]),
  ]

  private func type(_ expression: TensorExpression) throws -> TensorType {
    try expression.type { Self.stored[$0] }
  }

  private static let m = TensorExpression.stored("m")

  @Test(arguments: [
    (TensorExpression.stored("packed"), DType.f4, [4, 4]),
    (.concatenate([.stored("m"), .stored("tall")], axis: 0), .f32, [8, 4]),
    (.concatenate([.stored("m"), .stored("wide")], axis: 1), .f32, [3, 10]),
    (.concatenate([.stored("row"), .stored("row")], axis: 0), .bf16, [8]),
    (.concatenate([.stored("cube"), .stored("cube")], axis: 0), .f32, [4, 3, 4]),
    (.concatenate([.stored("empty"), .stored("m")], axis: 0), .f32, [3, 4]),
    (.concatenate([.stored("ints")], axis: 1), .i32, [3, 4]),
    (.transpose(.stored("ints")), .i32, [4, 3]),
    (.transpose(.stored("empty")), .f32, [4, 0]),
    (.squeeze(.stored("line")), .bf16, [4]),
    (.squeeze(.stored("nothing")), .i32, [0]),
    (.addRow(.stored("m"), row: .squeeze(.stored("line"))), .f32, [3, 4]),
    (.sum([.stored("half"), .stored("half")]), .f32, [3, 4]),
    (.sum([.stored("half"), .stored("double"), .stored("m")]), .f32, [3, 4]),
    (.sum([.stored("cube")]), .f32, [2, 3, 4]),
    (.mean([.stored("half"), .stored("double"), .stored("m")]), .f32, [3, 4]),
    (.addRow(.stored("half"), row: .stored("row")), .f32, [3, 4]),
    (.addRow(.stored("wide"), row: .sum([.stored("long"), .stored("long")])), .f32, [3, 6]),
    (.slice(.stored("m"), axis: 0, range: 1..<3), .f32, [2, 4]),
    (.slice(.stored("m"), axis: 1, range: 0..<4), .f32, [3, 4]),
    (.slice(.stored("bytes"), axis: 0, range: 7..<7), .u8, [0]),
    (.slice(.stored("cube"), axis: 0, range: 1..<2), .f32, [1, 3, 4]),
    (.cast(.stored("double"), .bf16), .bf16, [3, 4]),
    (.cast(.stored("scalar"), .f16), .f16, []),
    (.cast(.stored("m"), .f32), .f32, [3, 4]),
    (.fill(-0.0, TensorType(.bf16, [4])), .bf16, [4]),
    (.fill(383_500, TensorType(.i32, [])), .i32, []),
    (.addRow(.stored("m"), row: .fill(-0.0, TensorType(.f16, [4]))), .f32, [3, 4]),
  ])
  func givesEveryOperationAType(_ expression: TensorExpression, _ dtype: DType, _ shape: [Int])
    throws
  {
    #expect(try type(expression) == TensorType(dtype, Shape(shape)))
  }

  @Test(arguments: [
    TensorExpression.concatenate([], axis: 0),
    .concatenate([.stored("m"), .stored("half")], axis: 0),
    .concatenate([.stored("m"), .stored("wide")], axis: 0),
    .concatenate([.stored("m"), .stored("tall")], axis: 1),
    .concatenate([.stored("m"), .stored("row")], axis: 0),
    .concatenate([.stored("m"), .stored("m")], axis: 2),
    .concatenate([.stored("row"), .stored("row")], axis: 1),
    .concatenate([.stored("cube"), .stored("cube")], axis: 1),
    .concatenate([.stored("packed"), .stored("packed")], axis: 0),
    .concatenate([.stored("scalar"), .stored("scalar")], axis: 0),
    .transpose(.stored("row")), .transpose(.stored("scalar")),
    .transpose(.reshape(.stored("cube"), [2, 3, 2, 2])),
    .transpose(.slice(.transpose(.stored("cube")), axis: 0, range: 0..<1)),
    .reshape(.stored("m"), [5]), .codes(.stored("m")), .scales(.stored("bytes")),
    .blocks([.stored("bytes"), .stored("bytes")], .mxfp4), .blocks([], .q4_0),
    .blocks([.stored("bytes"), .stored("half")], .q4_1), .blocks([.stored("bytes")], .q4K),
    .biases(.stored("m")),
    .transpose(.stored("packed")),
    .squeeze(.stored("m")), .squeeze(.stored("row")), .squeeze(.stored("none")),
    .squeeze(.stored("slab")), .squeeze(.stored("scalar")), .squeeze(.stored("packedline")),
    .mean([]), .mean([.stored("m"), .stored("wide")]), .mean([.stored("ints")]),
    .sum([]), .sum([.stored("m"), .stored("wide")]), .sum([.stored("ints"), .stored("ints")]),
    .sum([.stored("m"), .stored("ints")]), .sum([.stored("bytes")]),
    .addRow(.stored("m"), row: .stored("long")), .addRow(.stored("row"), row: .stored("row")),
    .addRow(.stored("m"), row: .stored("m")), .addRow(.stored("cube"), row: .stored("row")),
    .addRow(.stored("ints"), row: .stored("row")), .addRow(.stored("m"), row: .stored("introw")),
    .addRow(.stored("m"), row: .stored("scalar")),
    .slice(.stored("m"), axis: 0, range: 0..<4), .slice(.stored("m"), axis: 1, range: 3..<5),
    .slice(.stored("m"), axis: 0, range: -1..<2), .slice(.stored("m"), axis: 2, range: 0..<1),
    .slice(.stored("cube"), axis: 1, range: 0..<1), .slice(.stored("row"), axis: 1, range: 0..<1),
    .slice(.stored("scalar"), axis: 0, range: 0..<1),
    .slice(.stored("packed"), axis: 0, range: 0..<2),
    .cast(.stored("ints"), .f32), .cast(.stored("m"), .i32), .cast(.stored("packed"), .f32),
    .cast(.stored("m"), .f8e4m3), .cast(.transpose(.stored("row")), .f16),
    .fill(1, TensorType(.f8e4m3, [4])), .fill(0.5, TensorType(.i32, [])),
    .fill(256, TensorType(.u8, [4])), .fill(1.001, TensorType(.bf16, [4])),
  ])
  func refusesOperandsThatDoNotFit(_ expression: TensorExpression) {
    let error = #expect(throws: CheckpointError.self) { try type(expression) }
    #expect(error?.code == .malformed)
    if !expression.sources.isEmpty {
      #expect(error?.tensor == expression.sources.first)
      #expect(error?.found != nil)
    }
  }

  @Test func refusesUnknownTensors() {
    for expression: TensorExpression in [
      .stored("x"), .sum([Self.m, .stored("x")]), .addRow(Self.m, row: .stored("x")),
      .cast(.transpose(.stored("x")), .f16),
    ] {
      let error = #expect(throws: CheckpointError.self) { try type(expression) }
      #expect(error?.code == .missing && error?.tensor == "x")
    }
  }

  @Test func refusesConcatenationsWhoseSizeOverflows() {
    let huge = TensorExpression.stored("huge")
    #expect(throws: CheckpointError.self) {
      try type(.concatenate([huge, .concatenate([huge, huge], axis: 1)], axis: 1))
    }
  }

  // MARK: Print

  private static func shards(_ count: Int, _ name: String) -> [TensorExpression] {
    (0..<count).map { .stored("shard_\($0)/\(name)") }
  }

  @Test(arguments: [
    (TensorExpression.stored("a"), "a"),
    (.transpose(.stored("a")), "transpose(a)"),
    (.cast(.squeeze(.stored("a")), .f16), "cast(squeeze(a), F16)"),
    (.cast(.stored("a"), .f16), "cast(a, F16)"),
    (.fill(-0.0, TensorType(.bf16, [64])), "fill(-0.0, BF16, [64])"),
    (.fill(6, TensorType(.i32, [])), "fill(6, I32, [])"),
    (.slice(.stored("a"), axis: 1, range: 2..<5), "slice(a, axis 1, 2..<5)"),
    (.sum([.stored("a"), .stored("b")]), "sum(a, b)"),
    (.sum([.stored("a0")]), "sum(a0)"),
    (.mean([.stored("a"), .stored("b")]), "mean(a, b)"),
    (.mean([.stored("h0.x0"), .stored("h0.x1")]), "mean(h0.x{0…1})"),
    (.sum([.stored("x0"), .stored("x2")]), "sum(x0, x2)"),
    (.sum([.stored("x1"), .stored("x2")]), "sum(x1, x2)"),
    (.sum([.stored("h0.x0"), .stored("h0.x1")]), "sum(h0.x{0…1})"),
    (.sum([.transpose(.stored("x0")), .stored("x1")]), "sum(transpose(x0), x1)"),
    (
      .concatenate(shards(8, "layer_0/~/linear/w"), axis: 1),
      "concatenate(axis 1, shard_{0…7}/layer_0/~/linear/w)"
    ),
    (.concatenate(shards(12, "w"), axis: 0), "concatenate(axis 0, shard_{0…11}/w)"),
    (
      .cast(
        .addRow(.concatenate(shards(8, "e/w"), axis: 0), row: .sum(shards(8, "e/b"))), .bf16),
      "cast(addRow(concatenate(axis 0, shard_{0…7}/e/w), sum(shard_{0…7}/e/b)), BF16)"
    ),
  ])
  func isPrintedOnOneLine(_ expression: TensorExpression, _ text: String) throws {
    #expect(expression.description == text)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    #expect(String(decoding: try encoder.encode([expression]), as: UTF8.self) == "[\"\(text)\"]")
  }

  @Test func namesItsSourcesInOrderAndOnce() {
    let expression = TensorExpression.cast(
      .addRow(
        .concatenate([.stored("b"), .transpose(.stored("a")), .stored("b")], axis: 0),
        row: .sum([.stored("z"), .slice(.stored("a"), axis: 0, range: 0..<1)])), .f16)
    #expect(expression.sources == ["b", "a", "z"])
    #expect(
      TensorExpression.sum([.stored("caf\u{e9}"), .stored("cafe\u{301}")]).sources.count == 2)
    #expect(TensorExpression.sum([]).sources.isEmpty)
  }
}
