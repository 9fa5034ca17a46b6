import FileContainers
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@Suite struct ReportTests {
  private static func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap(\.bitPattern.littleEndianBytes)
  }

  @Test func countsRoundedAndOverflowedElements() throws {
    let values: [Float] = [1, 1 + 0x1p-11, 1 + 0x1p-12, 2, 65504, 65520, -1e9, .infinity, .nan, 0]
    let reader = try MemoryReader([("a", TensorType(.f32, [2, 5]), Self.bytes(values))])
    for expression: TensorExpression in [
      .cast(.stored("a"), .f16), .transpose(.cast(.stored("a"), .f16)),
      .cast(.transpose(.stored("a")), .f16),
    ] {
      let report = try run([expression], reader).tensor(0).report
      #expect(report.roundedCount == 4)
      #expect(report.overflowCount == 2)
      #expect(report.largestErrorUlp == 0.5)
      #expect(!report.isExact)
    }
    let exact = try run([.cast(.stored("a"), .f64)], reader).tensor(0).report
    #expect(exact == CastReport() && exact.isExact)
  }

  @Test func countsWhatAddingAConstantRoundsOff() throws {
    // 2⁻²⁵ under 1 is half a unit there, 2⁻²⁶ a quarter; 2⁻²⁵ over 1 a quarter, and 3 units of 2⁻²³ nothing.
    let values: [Float] = [0.5, -0x1p-25, -0x1p-26, 0x1p-25, 3 * 0x1p-23, 0, .infinity, .nan]
    let type = TensorType(.f32, [values.count])
    let reader = try MemoryReader([("w", type, Self.bytes(values))])
    let sum = TensorExpression.stored("w").adding(1, type.shape)
    let whole = try evaluate(sum, reader)
    #expect(whole.bytes.count == 4 * values.count)
    #expect(whole.report.roundedCount == 3 && whole.report.largestErrorUlp == 0.5)
    for (value, ulp) in [(-0x1p-26 as Float, 0.25), (0x1p-25, 0.25), (0.5, 0), (-1, 0)] {
      let one = try MemoryReader([("w", TensorType(.f32, [1]), Self.bytes([value]))])
      let report = try evaluate(TensorExpression.stored("w").adding(1, [1]), one).report
      #expect(report.largestErrorUlp == ulp && report.isExact == (ulp == 0), "\(value)")
    }
    // What was added is taken away without a trace; sums of tensors are what they are.
    #expect(sum.adding(-1, type.shape) == .stored("w"))
    let tensors = try evaluate(.sum([.stored("w"), .stored("w")]), reader).report
    #expect(tensors.isExact)
  }

  @Test func addsUpWhatHappenedInAllSlabs() throws {
    let shape: Shape = [300, 300]
    let reader = try MemoryReader([largeTensor("a", shape, seed: 1)])
    let whole = try run([.cast(.stored("a"), .f16)], reader, memory: 64 << 20).tensor(0).report
    let parts = try run([.cast(.stored("a"), .f16)], reader, threads: 2).tensor(0).report
    #expect(whole == parts)
    #expect(whole.roundedCount > 80_000)
    let transposed = try run([.cast(.transpose(.stored("a")), .f16)], reader).tensor(0).report
    #expect(transposed == whole)
  }

  @Test func mergesCounts() throws {
    let reader = try MemoryReader([
      ("a", TensorType(.f32, [1]), Self.bytes([1 + 0x1p-12])),
      ("b", TensorType(.f32, [1]), Self.bytes([1e9])),
    ])
    var report = try run([.cast(.stored("a"), .f16)], reader).tensor(0).report
    report.merge(try run([.cast(.stored("b"), .f16)], reader).tensor(0).report)
    #expect(report.roundedCount == 2 && report.overflowCount == 1)
    #expect(report.largestErrorUlp == 0.25)
  }

  // MARK: Overflow

  @Test func findsTheFirstOverflowInTheOrderOfTheResult() throws {
    var values = [Float](repeating: 1, count: 24)
    values[4 * 2 + 3] = 70_000  // [0, 2, 3] of [2, 3, 4]
    values[12 + 1] = -1e6
    let reader = try MemoryReader([
      ("cube", TensorType(.f32, [2, 3, 4]), Self.bytes(values)),
      ("matrix", TensorType(.f32, [6, 4]), Self.bytes(values)),
    ])
    let cube = try Overflow.first(in: .cast(.stored("cube"), .f16), reader)
    #expect(cube?.index == [0, 2, 3] && cube?.value == 70_000)
    // In the transposed matrix column 1 comes before column 3.
    let transposed = try Overflow.first(in: .cast(.transpose(.stored("matrix")), .f16), reader)
    #expect(transposed?.index == [1, 3] && transposed?.value == -1e6)
    #expect(try Overflow.first(in: .cast(.stored("cube"), .bf16), reader) == nil)
    #expect(try Overflow.first(in: .stored("cube"), reader) == nil)
  }

  @Test func findsAnOverflowBehindTheFirstTile() throws {
    var tensor = largeTensor("a", [3, 70_001], seed: 2)
    let place = (2 * 70_001 + 66_000) * 4
    tensor.bytes.replaceSubrange(place..<place + 4, with: Self.bytes([-65_520]))
    let reader = try MemoryReader([tensor])
    let overflow = try Overflow.first(in: .cast(.stored("a"), .f16), reader)
    #expect(overflow?.index == [2, 66_000] && overflow?.value == -65_520)
  }

  @Test func findsTheOverflowOfAScalar() throws {
    let reader = try MemoryReader([
      ("s", TensorType(.f64, []), Double(1e300).bitPattern.littleEndianBytes)
    ])
    let overflow = try Overflow.first(in: .cast(.stored("s"), .f32), reader)
    #expect(overflow?.index == [] && overflow?.value == 1e300)
  }

  // MARK: Statistics

  @Test func gathersStatisticsFromSlabs() throws {
    let reader = try MemoryReader([
      ("a", TensorType(.f32, [2, 3]), Self.bytes([1, -3, 0, .nan, .infinity, 2])),
      ("packed", TensorType(.f4, [2]), [0x12]), ("none", TensorType(.f16, [0]), []),
    ])
    let names = ["a", "packed", "none"]
    let collector = StatisticsCollector([.f32, .f4, .f16])
    let tasks = try names.map {
      EvaluationTask(
        name: $0, expression: try CompiledExpression(.stored($0), in: reader.checkpoint))
    }
    let digests = DigestCollector(statistics: collector)
    try EvaluationPipeline(
      reader, EvaluationResources(memory: EvaluationResources.minimumMemory, threads: 1)
    ).run(tasks, digests)
    let statistics = try #require(collector.statistics(of: 0))
    #expect(statistics.minimum == -3 && statistics.maximum == 2)
    #expect(statistics.mean == 0 && statistics.zeroCount == 1)
    #expect(statistics.nanCount == 1 && statistics.infinityCount == 1)
    #expect(statistics.standardDeviation == 1.87082869)
    #expect(collector.statistics(of: 1) == nil)
    #expect(digests[0] != nil && digests[2]?.digest == Digest(of: []))
  }
}
