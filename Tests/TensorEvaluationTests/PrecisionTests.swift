import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@Suite struct PrecisionTests {
  private static func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap(\.bitPattern.littleEndianBytes)
  }

  /// The effective precision of tensors, as `inspect` gathers it.
  private func precisions(
    _ tensors: [(name: String, type: TensorType, bytes: [UInt8])], threads: Int = 1
  ) throws -> [EffectivePrecision?] {
    let reader = try MemoryReader(tensors)
    let collector = StatisticsCollector(tensors.map(\.type.dtype))
    try EvaluationPipeline(
      reader, EvaluationResources(memory: EvaluationResources.minimumMemory, threads: threads)
    ).run(EvaluationTask.stored(in: reader.checkpoint), DigestCollector(statistics: collector))
    return tensors.indices.map { collector.statistics(of: $0)?.effectivePrecision }
  }

  private func singles(_ values: [Float]) throws -> EffectivePrecision {
    let type = TensorType(.f32, [values.count])
    return try #require(precisions([("a", type, Self.bytes(values))])[0])
  }

  @Test func namesTheNarrowestDTypes() throws {
    // 1 + 2^-10 has eleven significant bits; 2^100 is beyond F16.
    #expect(try singles([1 + 0x1p-10, -0x1p-24, 65504, .infinity, .nan]).narrowest == [.f16])
    #expect(try singles([0x1p100, 0x1p-133]).narrowest == [.bf16])
    #expect(try singles([0, -0.0, 1, -2.5, .nan, -.infinity]).narrowest == [.f16, .bf16])
    #expect(try singles([1 + 0x1p-11]).narrowest == [.f32])
    // Each is a number of one of them.
    #expect(try singles([1 + 0x1p-10, 0x1p100]).narrowest == [.f32])
  }

  @Test func countsWhatCastsWouldDo() throws {
    let precision = try singles([1 + 0x1p-10, 70_000, 0x1p-30, 0x1.8p-24, 0.5])
    #expect(precision.casts.map(\.dtype) == [.f16, .bf16])
    let (f16, bf16) = (precision.casts[0], precision.casts[1])
    #expect(f16.changedCount == 3 && !f16.isExact)
    #expect(f16.overflowCount == 1 && f16.flushedCount == 1 && f16.subnormalCount == 1)
    #expect(bf16.changedCount == 2 && bf16.overflowCount == 0 && bf16.flushedCount == 0)
    var sum = f16
    sum.merge(f16)
    #expect(sum.changedCount == 6 && sum.overflowCount == 2)
    #expect(sum.flushedCount == 2 && sum.subnormalCount == 2)
  }

  @Test func looksAtCastableDTypesAlone() throws {
    let doubles: [Double] = [0.1, 0.5]
    let wide = Self.bytes([0.1, 0.5])
    let found = try precisions([
      ("f64", TensorType(.f64, [2]), doubles.flatMap(\.bitPattern.littleEndianBytes)),
      ("f64 of f32", TensorType(.f64, [1]), Double(Float(0.1)).bitPattern.littleEndianBytes),
      ("f16", TensorType(.f16, [2]), [0x01, 0x3c, 0x00, 0x3c]),
      ("f16 of bf16", TensorType(.f16, [1]), [0x00, 0x3c]),
      ("bf16", TensorType(.bf16, [1]), [0xff, 0x7e]),
      ("integers", TensorType(.i32, [2]), wide), ("complex", TensorType(.c64, [1]), wide),
      ("small", TensorType(.f8e4m3, [8]), wide), ("empty", TensorType(.f32, [0]), []),
    ])
    #expect(found[0]?.narrowest == [.f64])
    #expect(found[0]?.casts.map(\.dtype) == [.f32, .f16, .bf16])
    #expect(found[0]?.casts.map(\.changedCount) == [1, 1, 1])
    #expect(found[1]?.narrowest == [.f32])
    #expect(found[2]?.narrowest == [.f16] && found[2]?.casts.map(\.changedCount) == [1])
    #expect(found[3]?.narrowest == [.f16, .bf16])
    #expect(found[4]?.narrowest == [.bf16] && found[4]?.casts.map(\.overflowCount) == [1])
    #expect(found[5] == nil && found[6] == nil && found[7] == nil)
  }

  @Test func countsWhatCastReportsCount() throws {
    let tensor = largeTensor("a", [300, 300], seed: 5)
    let reader = try MemoryReader([tensor])
    for threads in [1, 2] {
      let precision = try #require(try precisions([tensor], threads: threads)[0])
      for loss in precision.casts {
        let report = try run([.cast(.stored("a"), loss.dtype)], reader).tensor(0).report
        #expect(loss.changedCount == report.roundedCount)
        #expect(loss.overflowCount == report.overflowCount)
      }
    }
  }

  @Test func knowsWhichCastsCanLose() {
    for dtype in DType.allCases {
      #expect(dtype.lossyCasts.allSatisfy { $0.isCastable && $0 != dtype })
      #expect(dtype.lossyCasts.isEmpty == !dtype.isCastable)
    }
    #expect(DType.narrowest { $0 == .f64 } == [.f64])
    #expect(DType.narrowest { _ in true } == [.f16, .bf16])
    #expect(DType.narrowest { _ in false }.isEmpty)
  }
}
