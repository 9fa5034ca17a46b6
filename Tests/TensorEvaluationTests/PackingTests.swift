import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Matrices in formats of several parts.
@Suite struct PackingTests {
  /// Formats as they pack values of a magnitude of 1: with a scale where a tensor has one.
  private static let formats = PackedFormat.all.map { $0.hasTensorScale ? $0.scaled(by: 500) : $0 }

  @Test(arguments: PackedFormat.all) func partsAreThoseOfTheLibrary(_ plain: PackedFormat) throws {
    let goldens = try PackingGoldens.read(plain.arithmetic)
    for dtype in [DType.f32, .f16, .bf16] {
      let format = goldens.complete(plain, dtype)
      let reader = try goldens.reader(dtype)
      let expected = try #require(goldens.formats[format.name]?[dtype.rawValue.lowercased()])
      #expect(Set(expected.keys) == Set(format.parts.map(\.rawValue)))
      let rows = TensorExpression.pack(.stored("w"), format)
      // Together, as they are written.
      let collector = DigestCollector()
      let compiled = try CompiledExpression(rows, in: reader.checkpoint)
      let matrix = TensorType(dtype, [goldens.rows, goldens.columns])
      try EvaluationPipeline(
        reader, EvaluationResources(memory: EvaluationResources.minimumMemory, threads: 1)
      ).run(
        [
          EvaluationTask(
            name: "w", expression: compiled,
            parts: RowParts(
              try format.parts.map {
                RowParts.Part(
                  try #require(format.bytes(of: $0, matrix)).count,
                  sharedRowCount: format.sharedRowCount(of: $0, matrix))
              }))
        ], collector)
      let together = try #require(collector[0])
      for (place, part) in format.parts.enumerated() {
        #expect(together.digests[place] == expected[part.rawValue], "\(dtype) \(part)")
        // One by one, as they are verified.
        let alone = try run([.part(rows, part)], reader)
        #expect(try alone.tensor(0).digest == expected[part.rawValue], "\(dtype) \(part)")
        // Sums depend on how rows were cut, in their last digits.
        guard let errors = try alone.tensor(0).report.quantization else {
          #expect(format.constants(of: part, matrix) != nil)
          continue
        }
        let others = try #require(together.report.quantization)
        #expect(errors.largestErrorPlace == others.largestErrorPlace)
        #expect(abs(errors.relativeRMSE - others.relativeRMSE) < 1e-9)
      }
      let errors = try #require(together.report.quantization)
      #expect(errors.count == goldens.rows * goldens.columns)
      #expect(errors.relativeRMSE > 0 && errors.relativeRMSE < 0.6)
    }
  }

  /// Any region of a part is the same as that of the whole, wherever rows lie in memory.
  @Test(arguments: formats) func regionsAreCutOut(_ format: PackedFormat) throws {
    let reader = try PackingGoldens.read(format.arithmetic).reader(.bf16)
    for part in format.parts where part == .codes || part == .biases {
      let expression = TensorExpression.part(.pack(.stored("w"), format), part)
      let geometry = try CompiledExpression(expression, in: reader.checkpoint).geometry
      let whole = try evaluate(expression, reader).bytes
      let region = MatrixRegion(rows: 3..<9, columns: 1..<geometry.columns)
      let found = try evaluate(expression, reader, region, slack: 3).bytes
      let rowByteCount = geometry.rowByteCount
      let expected = (3..<9).flatMap {
        whole[$0 * rowByteCount + geometry.cellByteCount..<($0 + 1) * rowByteCount]
      }
      #expect(found == expected)
    }
  }

  @Test(arguments: formats) func refusesWhatIsNoNumber(_ format: PackedFormat) throws {
    for value in [Float.nan, .infinity, -.infinity] {
      var values = [Float](repeating: 0.5, count: 3 * 128)
      values[130] = value
      let reader = try MemoryReader([
        (
          name: "w", type: TensorType(.f32, [3, 128]),
          bytes: values.withUnsafeBytes { Array($0) }
        )
      ])
      for expression in [
        TensorExpression.pack(.stored("w"), format),
        .part(.pack(.stored("w"), format), .scales),
      ] {
        let error = #expect(throws: CheckpointError.self) { try run([expression], reader) }
        #expect(error?.code == .malformed)
        #expect(error?.found?.hasSuffix("at [1, 2]") == true, "\(error?.found ?? "")")
      }
    }
  }

  /// MLX's byte of an exponent wraps around for the smallest groups, which then read as infinity or 1e38.
  @Test(arguments: formats) func smallestGroupsStaySmall(_ format: PackedFormat) throws {
    for size in [Float.leastNonzeroMagnitude, 0x1p-140, 0x1p-128, 2e-38, 5e-37, 1e-36, 1e-30] {
      let values = (0..<128).map { Float($0 % 7 - 3) * size }
      let reader = try MemoryReader([
        (
          name: "w", type: TensorType(.f32, [1, 128]),
          bytes: values.withUnsafeBytes { Array($0) }
        )
      ])
      let result = try run([.pack(.stored("w"), format)], reader)
      let errors = try #require(try result.tensor(0).report.quantization)
      #expect(errors.largestError <= Double(3 * size))
    }
  }

  /// Codes fill words, but need not fill as many as a multiple of a row's groups.
  @Test func rowsOfAnOddNumberOfGroupsAreWhole() throws {
    for format in PackedFormat.all {
      let columns = 3 * (format.groupSize ?? 5)
      let matrix = TensorType(.bf16, [2, columns])
      let wordBits = format.codes.blockByteCount * 8
      #expect(
        format.type(of: .codes, matrix)?.shape
          == [2, (columns * format.bits + wordBits - 1) / wordBits])
      #expect(
        format.type(of: .scales, matrix)?.shape
          == [2 / min(2, format.rowCount), format.groupSize == nil ? 1 : 3])
    }
  }

  @Test func onlyMatricesOfGroupsArePacked() throws {
    let format = PackedFormat.all[0]
    let shapes: [(DType, Shape)] = [
      (.f32, [4]), (.f32, [2, 2, 32]), (.f32, [2, 33]), (.f32, [2, 0]), (.f64, [2, 32]),
      (.u8, [2, 32]), (.f32, [2, 16]),
    ]
    for (dtype, shape) in shapes {
      let type = TensorType(dtype, shape)
      #expect(format.type(ofRows: type) == nil)
      #expect(throws: CheckpointError.self) {
        try TensorExpression.pack(.stored("w"), format).type { _ in type }
      }
    }
    #expect(throws: CheckpointError.self) {
      try TensorExpression.part(.stored("w"), .biases).type { _ in TensorType(.f32, [2, 32]) }
    }
    let float = try #require(PackedFormat(named: "mlx-mxfp4"))
    #expect(throws: CheckpointError.self) {
      try TensorExpression.part(.pack(.stored("w"), float), .biases)
        .type { _ in TensorType(.f32, [2, 32]) }
    }
  }

  @Test(arguments: formats) func expressionsAreRead(_ format: PackedFormat) throws {
    #expect(PackedFormat(named: format.description) == format)
    let rows = TensorExpression.pack(.cast(.stored("w"), .f16), format)
    for expression in [rows] + format.parts.map({ .part(rows, $0) }) {
      #expect(
        try TensorExpression(parsing: expression.description, sources: ["w"]) == expression)
    }
    #expect(throws: CheckpointError.self) {
      try TensorExpression(parsing: "shape(w)", sources: ["w"])
    }
    for unknown in ["q9", "fp8*2.0", "nvfp4a16*", "nvfp4a16*-1.0", "nvfp4a16*0.0", "nvfp4a16*inf"] {
      #expect(throws: CheckpointError.self) {
        try TensorExpression(parsing: "pack(w, \(unknown))", sources: ["w"])
      }
    }
  }
}
