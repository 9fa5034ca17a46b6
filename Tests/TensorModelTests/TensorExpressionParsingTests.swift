import TensorModel
import Testing

/// The printed form of expressions, read again.
@Suite struct TensorExpressionParsingTests {
  private static let shards = (0..<8).map { TensorExpression.stored("shard_\($0)/w, (x)") }
  private static let expressions: [TensorExpression] = [
    .stored("h.0.w"), .stored("cast(x, F16)"), .cast(.transpose(.stored("a)b")), .f16),
    .concatenate(shards, axis: 1), .cast(.sum(shards), .bf16),
    .cast(.mean(shards), .f16),
    .addRow(.concatenate(Array(shards.prefix(3)), axis: 0), row: .squeeze(.stored("row"))),
    .slice(.stored("x"), axis: 1, range: 3..<17), .fill(-0.5, TensorType(.f32, [2, 3])),
    .fill(0, TensorType(.i64, [])),
    .permuteRows(
      .stored("q"), RowPermutation(.halves(rotated: 64), groupCount: 16, groupRowCount: 256)),
    .permuteRows(
      .stored("q"), RowPermutation(.interleaved(rotated: 4), groupCount: 2, groupRowCount: 8)),
    .permuteRows(.stored("q"), RowPermutation(.parts(count: 3), groupCount: 2, groupRowCount: 9)),
    .permuteRows(.stored("q"), RowPermutation(.groups(parts: 3), groupCount: 2, groupRowCount: 9)),
    .permuteRows(
      .stored("q"), RowPermutation(.runs(widths: [4, 1, 1]), groupCount: 2, groupRowCount: 12)),
    .permuteRows(
      .stored("q"),
      RowPermutation(.groupsOfRuns(widths: [4, 1, 1]), groupCount: 2, groupRowCount: 12)),
    .reshape(.stored("x"), [2, 3, 4]), .reshape(.transpose(.stored("x")), []),
    .blocks([.stored("c"), .reshape(.stored("s"), [4, 2])], .mxfp4),
    .blocks([.stored("c_0"), .stored("c_1"), .stored("c_2")], .q5_1),
    .blocks([.stored("c"), .cast(.stored("s"), .f16)], .q8_0), .biases(.stored("m")),
    .codes(.stored("m")), .scales(.stored("m")),
    .decode(.stored("w"), .unsigned(bits: 4), [2, 8], axis: 1),
    .encode(.stored("w"), bits: 4, .u32),
    .decode(.stored("w"), .lessOne(bits: 3), [32, 8], axis: 0),
    .decode(.stored("w"), .highFirst, [1, 8], axis: 1),
    .decode(.stored("w"), .e4m3, [1, 8], axis: 1),
    .spread(.stored("s"), [128, 64], block: [1, 32]),
    .gather(.stored("s"), rows: .stored("g")), .lookUp(.stored("t"), places: .stored("p")),
    .combine(.product, .combine(.difference, .stored("a"), .stored("b")), .stored("c")),
    .combine(.quotient, .stored("a"), .fill(3, TensorType(.f32, [2]))),
    .concatenate([.stored("b"), .stored("a"), .transpose(.stored("c"))], axis: 0),
  ]

  @Test(arguments: expressions) func comesBack(_ expression: TensorExpression) throws {
    let again = try TensorExpression(
      parsing: expression.description, sources: expression.sources)
    #expect(again == expression)
  }

  @Test(arguments: [
    ("lies", ["x"]), ("cast(x, F17)", ["x"]), ("cast(x F16)", ["x"]), ("transpose(x", ["x"]),
    ("transpose(x))", ["x"]), ("slice(x, axis 0, 5..<2)", ["x"]), ("x", ["x", "y"]), ("", ["x"]),
    ("concatenate(axis 0, s_{0…9}/w)", ["s_0/w", "s_1/w"]), ("sum()", ["x"]),
    ("q4_k(x, x)", ["x"]), ("q4_0()", ["x"]), ("encode(x, awq, U32)", ["x"]),
    ("encode(x, unsigned-9, U32)", ["x"]),
    ("decode(x, unsigned-9, [1, 2], axis 1)", ["x"]), ("decode(x, q4, [1, 2], axis 1)", ["x"]),
    ("spread(x, [1, 2], 3)", ["x"]), ("product(x)", ["x"]),
    (String(repeating: "transpose(", count: 100_000) + "x", ["x"]),
  ])
  func isRefused(text: String, sources: [String]) {
    let error = #expect(throws: CheckpointError.self) {
      try TensorExpression(parsing: text, sources: sources)
    }
    #expect(error?.code == .malformed)
  }
}
