import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@Suite struct EvaluationTests {
  private static func reader() throws -> MemoryReader {
    var tensors = [
      randomTensor("a", .f32, [13, 7], seed: 1), randomTensor("b", .f32, [13, 7], seed: 2),
      randomTensor("c", .f32, [5, 7], seed: 3), randomTensor("half", .f16, [13, 7], seed: 4),
      randomTensor("brain", .bf16, [13, 7], seed: 5),
      randomTensor("double", .f64, [13, 7], seed: 6),
      randomTensor("row", .bf16, [7], seed: 7), randomTensor("row2", .f32, [7], seed: 8),
      randomTensor("cube", .f16, [3, 2, 5], seed: 9), randomTensor("scalar", .f32, [], seed: 10),
      randomTensor("empty", .f32, [0, 7], seed: 11), randomTensor("thin", .f32, [7, 0], seed: 12),
      randomTensor("column", .f32, [7, 1], seed: 13),
      randomTensor("line", .f32, [1, 11], seed: 14),
      randomTensor("nothing", .f16, [1, 0], seed: 15),
      randomTensor("long", .bf16, [12, 3], seed: 16), randomTensor("list", .f32, [12], seed: 17),
      randomTensor("wide", .f16, [3, 12], seed: 18),
    ]
    for shard in 0..<4 {
      tensors.append(randomTensor("shard_\(shard)/w", .bf16, [6, 3], seed: 20 + UInt64(shard)))
      tensors.append(randomTensor("shard_\(shard)/b", .bf16, [6], seed: 30 + UInt64(shard)))
    }
    return try MemoryReader(tensors)
  }

  private static func shards(_ name: String) -> [TensorExpression] {
    (0..<4).map { .stored("shard_\($0)/\(name)") }
  }

  static let expressions: [TensorExpression] = [
    .stored("a"), .stored("scalar"), .stored("empty"), .stored("thin"), .stored("cube"),
    .concatenate([.stored("a"), .stored("c"), .stored("b")], axis: 0),
    .concatenate([.stored("a"), .stored("b")], axis: 1),
    .concatenate([.stored("row"), .stored("row")], axis: 0),
    .concatenate([.stored("empty"), .stored("a"), .stored("empty")], axis: 0),
    .transpose(.stored("double")), .transpose(.stored("half")), .transpose(.stored("empty")),
    .transpose(.stored("column")), .transpose(.transpose(.stored("a"))),
    .squeeze(.stored("line")), .squeeze(.stored("nothing")),
    .squeeze(.transpose(.stored("column"))),
    .squeeze(.concatenate([.stored("line"), .stored("line")], axis: 1)),
    .squeeze(.slice(.stored("double"), axis: 0, range: 4..<5)),
    .cast(.squeeze(.stored("line")), .bf16), .squeeze(.cast(.stored("line"), .f16)),
    .slice(.squeeze(.stored("line")), axis: 0, range: 3..<9),
    .concatenate([.squeeze(.stored("line")), .squeeze(.stored("line"))], axis: 0),
    .addRow(.stored("a"), row: .squeeze(.slice(.stored("line"), axis: 1, range: 2..<9))),
    .sum([.stored("a")]), .sum([.stored("a"), .stored("half"), .stored("brain")]),
    .sum([.stored("row"), .stored("row2")]), .sum([.stored("scalar"), .stored("scalar")]),
    .sum([.transpose(.stored("a")), .transpose(.stored("b"))]),
    .mean([.stored("a")]), .mean([.stored("a"), .stored("half"), .stored("brain")]),
    .mean([.stored("row"), .stored("row2")]), .mean([.stored("scalar"), .stored("scalar")]),
    .addRow(.stored("half"), row: .stored("row")),
    .addRow(.stored("empty"), row: .stored("row2")),
    .addRow(.concatenate([.stored("a"), .stored("c")], axis: 0), row: .stored("row2")),
    .addRow(.concatenate(shards("w").map { .transpose($0) }, axis: 0), row: .sum(shards("b"))),
    .slice(.stored("a"), axis: 0, range: 3..<11), .slice(.stored("a"), axis: 1, range: 2..<5),
    .slice(.transpose(.stored("double")), axis: 0, range: 1..<6),
    .slice(.concatenate([.stored("a"), .stored("b")], axis: 1), axis: 1, range: 5..<9),
    .slice(.stored("row"), axis: 0, range: 2..<2), .slice(.stored("cube"), axis: 0, range: 1..<3),
    .cast(.stored("double"), .f32), .cast(.stored("double"), .f16),
    .cast(.stored("double"), .bf16), .cast(.stored("a"), .f64), .cast(.stored("a"), .f16),
    .cast(.stored("brain"), .f16), .cast(.stored("half"), .bf16), .cast(.stored("a"), .f32),
    .cast(.stored("scalar"), .bf16), .cast(.stored("empty"), .f16),
    .cast(.cast(.stored("double"), .f16), .bf16),
    .cast(.transpose(.concatenate(shards("w"), axis: 1)), .f16),
    .cast(.slice(.transpose(.stored("a")), axis: 1, range: 3..<10), .bf16),
    .cast(
      .addRow(.transpose(.concatenate(shards("w"), axis: 1)), row: .sum(shards("b"))), .f16),
    .transpose(.cast(.addRow(.stored("a"), row: .stored("row")), .f16)),
    .transpose(.concatenate([.stored("a"), .transpose(.stored("column"))], axis: 0)),
    .fill(-0.0, TensorType(.bf16, [9, 5])), .fill(1, TensorType(.f16, [700])),
    .fill(-2.5, TensorType(.f32, [])), .fill(1, TensorType(.f64, [0, 4])),
    .cast(.fill(-0.0, TensorType(.bf16, [4, 3])), .f16),
    .sum([.stored("row"), .fill(-0.0, TensorType(.bf16, [7])), .fill(3, TensorType(.f32, [7]))]),
    .addRow(.fill(1, TensorType(.f32, [2, 7])), row: .stored("row2")),
    .transpose(.concatenate([.stored("a"), .fill(-0.0, TensorType(.f32, [2, 7]))], axis: 0)),
    .permuteRows(
      .stored("long"), RowPermutation(.halves(rotated: 4), groupCount: 2, groupRowCount: 6)),
    .permuteRows(
      .stored("long"), RowPermutation(.interleaved(rotated: 6), groupCount: 2, groupRowCount: 6)),
    .permuteRows(
      .stored("long"), RowPermutation(.parts(count: 3), groupCount: 4, groupRowCount: 3)),
    .permuteRows(
      .stored("list"), RowPermutation(.groups(parts: 3), groupCount: 2, groupRowCount: 6)),
    .cast(
      .permuteRows(
        .stored("list"), RowPermutation(.parts(count: 2), groupCount: 3, groupRowCount: 4)), .f16),
    .transpose(
      .permuteRows(
        .transpose(.stored("wide")),
        RowPermutation(.parts(count: 2), groupCount: 3, groupRowCount: 4))),
    .permuteRows(
      .concatenate([.stored("c"), .stored("a")], axis: 0),
      RowPermutation(.groups(parts: 3), groupCount: 3, groupRowCount: 6)),
    .permuteRows(
      .stored("list"), RowPermutation(.runs(widths: [2, 1]), groupCount: 2, groupRowCount: 6)),
    .reshape(.stored("cube"), [6, 5]), .reshape(.stored("cube"), [30]),
    .reshape(.stored("long"), [2, 6, 3]), .reshape(.stored("list"), [3, 4]),
    .reshape(.stored("a"), [7, 13]), .reshape(.stored("scalar"), [1, 1]),
    .reshape(.stored("empty"), [7, 0]), .reshape(.transpose(.stored("wide")), [4, 9]),
    .cast(.reshape(.slice(.stored("cube"), axis: 0, range: 1..<2), [2, 5]), .bf16),
    .transpose(.stored("cube")), .cast(.transpose(.stored("cube")), .f32),
    .transpose(.reshape(.stored("long"), [4, 3, 3])),
    .slice(.transpose(.stored("cube")), axis: 0, range: 1..<3),
    .reshape(.transpose(.stored("cube")), [15, 2]),
    .permuteRows(
      .reshape(.transpose(.stored("cube")), [15, 2]),
      RowPermutation(.halves(rotated: 4), groupCount: 3, groupRowCount: 5)),
  ]

  @Test(arguments: expressions)
  func agreesWithANaiveEvaluator(_ expression: TensorExpression) throws {
    let reader = try Self.reader()
    let expected = try NaiveTensor(expression, reader).bytes
    #expect(try evaluate(expression, reader).bytes == expected)
    #expect(try evaluate(expression, reader, slack: 24).bytes == expected)
  }

  @Test(arguments: expressions)
  func evaluatesEveryRegion(_ expression: TensorExpression) throws {
    let reader = try Self.reader()
    let whole = try NaiveTensor(expression, reader)
    for (row, column) in [(0, 0), (1, 2), (2, 0), (3, 1)]
    where row < whole.rows && column < whole.columns {
      for (lastRow, lastColumn) in [(row + 1, column + 1), (whole.rows, whole.columns)] {
        let region = MatrixRegion(rows: row..<lastRow, columns: column..<lastColumn)
        let expected = NaiveTensor(whole.dtype, region.rows.count, region.columns.count) {
          whole[$0 + row, $1 + column]
        }
        let result = try evaluate(expression, reader, region, slack: 8)
        #expect(result.bytes == expected.bytes, "\(region)")
      }
    }
  }

  @Test(arguments: [1, 2, 5])
  func givesTheSameBytesAndDigestsForAnyNumberOfThreads(_ threads: Int) throws {
    let reader = try Self.reader()
    let result = try run(Self.expressions, reader, threads: threads)
    for (index, expression) in Self.expressions.enumerated() {
      let expected = try NaiveTensor(expression, reader).bytes
      #expect(result.bytes(index) == Data(expected), "\(expression)")
      #expect(try result.tensor(index).digest == Digest(of: expected), "\(expression)")
    }
  }

  @Test func copiesEveryDTypeUnchanged() throws {
    var random = FixedRandom(seed: 14)
    let tensors = DType.allCases.map { dtype in
      let shape: Shape = dtype.isBlockQuantized ? [3, 2 * dtype.blockElementCount] : [3, 8]
      let byteCount = dtype.byteCount(elementCount: shape.elementCount) ?? 0
      return (dtype.rawValue, TensorType(dtype, shape), random.bytes(byteCount))
    }
    let reader = try MemoryReader(tensors)
    let result = try run(tensors.map { .stored($0.0) }, reader, threads: 2)
    for (index, tensor) in tensors.enumerated() {
      #expect(result.bytes(index) == Data(tensor.2), "\(tensor.0)")
      let report = try result.tensor(index).report
      #expect(report.isExact && report.overflowCount == 0 && report.largestErrorUlp == 0)
    }
  }

  @Test(arguments: [DType.u8, .i16, .i32, .u64, .c64])
  func movesElementsOfAnyWidth(_ dtype: DType) throws {
    var random = FixedRandom(seed: 15)
    let size = dtype.blockByteCount
    let parts = (0..<2).map { _ in random.bytes(5 * 3 * size) }
    let reader = try MemoryReader(
      parts.enumerated().map { ("\($0)", TensorType(dtype, [5, 3]), $1) })
    var expected: [UInt8] = []
    for column in 0..<3 {
      for part in parts {
        for row in 0..<5 {
          let start = (row * 3 + column) * size
          expected += part[start..<start + size]
        }
      }
    }
    let expression = TensorExpression.transpose(
      .concatenate([.stored("0"), .stored("1")], axis: 0))
    #expect(try evaluate(expression, reader).bytes == expected)
  }

  // MARK: Order of sums

  @Test func sumsInTheOrderOfShardsBeginningWithTheFirst() throws {
    let values: [Float] = [1e8, 3, -1e8, 2.5]
    let tensors = values.enumerated().map { index, value in
      ("shard_\(index)", TensorType(.f32, [1]), value.bitPattern.littleEndianBytes)
    }
    let reader = try MemoryReader(tensors)
    func sum(_ order: [Int]) throws -> [UInt8] {
      try evaluate(.sum(order.map { .stored("shard_\($0)") }), reader).bytes
    }
    #expect(
      try sum([0, 1, 2, 3]) == Float(((1e8 as Float + 3) - 1e8) + 2.5).bitPattern.littleEndianBytes)
    #expect(try sum([0, 2, 1, 3]) == Float(5.5).bitPattern.littleEndianBytes)
    #expect(try sum([0, 1, 2, 3]) != sum([0, 2, 1, 3]))
  }

  @Test func keepsTheSignOfNegativeZeros() throws {
    let zero = Float(-0.0).bitPattern.littleEndianBytes
    let reader = try MemoryReader([
      ("a", TensorType(.f32, [1]), zero), ("b", TensorType(.f32, [1]), zero),
      ("m", TensorType(.f32, [1, 1]), zero), ("half", TensorType(.f16, [1]), [0, 0x80]),
    ])
    #expect(try evaluate(.sum([.stored("a"), .stored("b")]), reader).bytes == zero)
    #expect(try evaluate(.sum([.stored("a")]), reader).bytes == zero)
    #expect(try evaluate(.addRow(.stored("m"), row: .stored("half")), reader).bytes == zero)
    let cast = try evaluate(.cast(.sum([.stored("a"), .stored("half")]), .bf16), reader)
    #expect(cast.bytes == [0, 0x80] && cast.report.isExact)
  }

  // MARK: Errors

  @Test func refusesWhatDoesNotFit() throws {
    let reader = try Self.reader()
    for expression: TensorExpression in [
      .stored("x"), .transpose(.stored("row")), .sum([.stored("a"), .stored("c")]),
    ] {
      #expect(throws: CheckpointError.self) {
        try CompiledExpression(expression, in: reader.checkpoint)
      }
    }
  }
}
