import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Tensors beyond a tile (256 KiB) and a slab (64 KiB at least), whose expected bytes come from one plain loop each.
@Suite struct LargeTensorTests {
  /// Rows that are larger than a tile, and many short rows.
  private static let shapes: [Shape] = [[3, 70_001], [70_001, 3], [263, 257]]

  private static func floats(_ bytes: [UInt8]) -> [Float] {
    bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  private static func data(_ values: [Float]) -> Data { values.withUnsafeBytes { Data($0) } }

  private static func transposed(_ values: [Float], _ shape: Shape) -> [Float] {
    let (rows, columns) = (shape.dimensions[0], shape.dimensions[1])
    return values.withUnsafeBufferPointer { values in
      [Float](unsafeUninitializedCapacity: values.count) { result, count in
        for row in 0..<rows {
          for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
        }
        count = values.count
      }
    }
  }

  @Test(arguments: shapes)
  func isCutIntoTilesAndPutTogether(_ shape: Shape) throws {
    let columns = shape.dimensions[1]
    let a = largeTensor("a", shape, seed: 1)
    let b = largeTensor("b", shape, seed: 2)
    let row = largeTensor("row", [columns], seed: 3)
    let reader = try MemoryReader([a, b, row])
    let (left, right, addend) = (Self.floats(a.bytes), Self.floats(b.bytes), Self.floats(row.bytes))
    let expected: [(TensorExpression, [Float])] = [
      (.transpose(.stored("a")), Self.transposed(left, shape)),
      (.sum([.stored("a"), .stored("b")]), zip(left, right).map { $0 + $1 }),
      (
        .addRow(.stored("a"), row: .stored("row")),
        left.enumerated().map { $1 + addend[$0 % columns] }
      ),
      (.concatenate([.stored("a"), .stored("b")], axis: 0), left + right),
      (.cast(.cast(.stored("a"), .f64), .f32), left),
    ]
    let expressions = expected.map(\.0) + [.cast(.transpose(.stored("a")), .bf16)]
    let single = try run(expressions, reader)
    for (index, values) in expected.map(\.1).enumerated() {
      #expect(single.bytes(index) == Self.data(values), "\(expressions[index])")
    }
    for threads in [2, 5] {
      for memory in [threads * EvaluationResources.minimumMemory, 64 << 20] {
        let result = try run(expressions, reader, threads: threads, memory: memory)
        for index in expressions.indices {
          #expect(result.bytes(index) == single.bytes(index))
          let (left, right) = (try result.tensor(index), try single.tensor(index))
          #expect(left.digest == right.digest && left.report == right.report)
        }
      }
    }
  }

  @Test func castsTilesOfARowThatIsLargerThanATile() throws {
    let shape: Shape = [3, 70_001]
    let reader = try MemoryReader([largeTensor("a", shape, seed: 4)])
    let naive = try NaiveTensor(.cast(.stored("a"), .bf16), reader).bytes
    let result = try run([.cast(.stored("a"), .bf16)], reader, threads: 2)
    #expect(result.bytes(0) == Data(naive))
    #expect(try result.tensor(0).digest == Digest(of: naive))
    #expect(try result.tensor(0).report.largestErrorUlp <= 0.5)
  }

  @Test func gathersRegionsOfTransposesAcrossTiles() throws {
    let shape: Shape = [300, 257]
    let reader = try MemoryReader([largeTensor("a", shape, seed: 5)])
    let whole = Self.transposed(Self.floats(reader.bytes(of: "a") ?? []), shape)
    let region = MatrixRegion(rows: 101..<229, columns: 3..<298)
    let result = try evaluate(.transpose(.stored("a")), reader, region, slack: 12)
    let expected = region.rows.flatMap { row in region.columns.map { whole[row * 300 + $0] } }
    #expect(Data(result.bytes) == Self.data(expected))
  }

  @Test func needsNoMoreThreadsThanTheMemorySuffices() {
    let least = EvaluationResources.minimumMemory
    #expect(EvaluationResources(memory: least, threads: 8).threads == 1)
    #expect(EvaluationResources(memory: 3 * least, threads: 8).threads == 3)
    #expect(EvaluationResources(memory: 0, threads: 0).threads == 1)
  }
}
