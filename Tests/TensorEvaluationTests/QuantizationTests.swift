import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Values as blocks: those of ggml's reference, however the work is cut, and how far they are from the values.
@Suite struct QuantizationTests {
  struct Golden: Decodable, CustomTestStringConvertible, Sendable {
    struct File: Decodable, Sendable { let file: String }
    let name: String
    let plain: File
    let weighted: File?
    var testDescription: String { name }
    var dtype: DType? { DType(rawValue: name.uppercased()) }

    struct Manifest: Decodable {
      let columns: Int
      let types: [Golden]
    }

    static let manifest = try? JSONDecoder().decode(
      Manifest.self, from: Data(Fixtures.bytes("quantization/manifest.json")))
    static let all = manifest?.types ?? []

    func blocks(_ file: File) throws -> [UInt8] { try Fixtures.bytes("quantization/\(file.file)") }
  }

  private static let columns = Golden.manifest?.columns ?? 0

  /// The weights as `t`, and transposed as `turned`; `rows` and the numbers.
  private static func weights() throws -> (reader: MemoryReader, rows: Int, values: [Float]) {
    let bytes = try Fixtures.bytes("quantization/weights.f32")
    let values: [Float] = Data(bytes).numbers()
    let rows = values.count / columns
    let turned = NaiveTensor(.f32, columns, rows) { Double(values[$1 * columns + $0]) }
    let reader = try MemoryReader([
      ("t", TensorType(.f32, [rows, columns]), bytes),
      ("turned", TensorType(.f32, [columns, rows]), turned.bytes),
    ])
    return (reader, rows, values)
  }

  private static func importance() throws -> ColumnImportance {
    ColumnImportance(
      origin: "test", values: Data(try Fixtures.bytes("quantization/importance.f32")).numbers())
  }

  @Test(arguments: Golden.all) func blocksAreThoseOfTheReference(_ golden: Golden) throws {
    let dtype = try #require(golden.dtype)
    let reader = try Self.weights().reader
    let expressions = [
      TensorExpression.cast(.stored("t"), dtype), .cast(.transpose(.stored("turned")), dtype),
    ]
    let expected = try golden.blocks(golden.plain)
    for threads in [1, 2] {
      for memory in [nil, 64 << 20] {
        let result = try run(expressions, reader, threads: threads, memory: memory)
        for place in expressions.indices {
          #expect(result.bytes(place) == Data(expected), "\(expressions[place])")
        }
      }
    }
  }

  @Test(arguments: Golden.all.filter { $0.weighted != nil })
  func blocksHeedImportances(_ golden: Golden) throws {
    let dtype = try #require(golden.dtype)
    let reader = try Self.weights().reader
    let importance = try Self.importance()
    let expressions = [
      TensorExpression.quantize(.stored("t"), dtype, QuantizationMethod(importance: importance)),
      .quantize(
        .transpose(.stored("turned")), dtype, QuantizationMethod(importance: importance)),
    ]
    let expected = try golden.blocks(try #require(golden.weighted))
    for threads in [1, 2] {
      let result = try run(expressions, reader, threads: threads)
      for place in expressions.indices { #expect(result.bytes(place) == Data(expected)) }
    }
    // Some blocks, which begin and end within rows.
    let region = MatrixRegion(rows: 3..<expected.count / dtype.blockByteCount - 2, columns: 0..<1)
    let part = expected[
      3 * dtype.blockByteCount..<expected.count - 2 * dtype.blockByteCount]
    for slack in [0, 6] {
      #expect(try evaluate(expressions[0], reader, region, slack: slack).bytes == Array(part))
    }
  }

  @Test(arguments: [DType.q4_0, .q6K, .iq4NL]) func rowsMayComeFromAnywhere(_ dtype: DType) throws {
    let (reader, rows, values) = try Self.weights()
    let permutation = RowPermutation(.halves(rotated: 6), groupCount: rows / 11, groupRowCount: 11)
    let half = TensorExpression.slice(.stored("t"), axis: 0, range: 0..<rows / 2)
    let rest = TensorExpression.slice(.stored("t"), axis: 0, range: rows / 2..<rows)
    func blocks(_ values: [Float]) throws -> [UInt8] {
      let bytes = values.flatMap { $0.bitPattern.littleEndianBytes }
      let alone = try MemoryReader([("t", TensorType(.f32, [rows, Self.columns]), bytes)])
      return try evaluate(.cast(.stored("t"), dtype), alone).bytes
    }
    let permuted = (0..<rows).flatMap { row in
      let start = permutation.source(of: row) * Self.columns
      return values[start..<start + Self.columns]
    }
    #expect(
      try evaluate(.cast(.permuteRows(.stored("t"), permutation), dtype), reader).bytes
        == blocks(permuted))
    #expect(
      try evaluate(.cast(.concatenate([half, rest], axis: 0), dtype), reader).bytes
        == blocks(values))
    #expect(
      try evaluate(.cast(.sum([.stored("t"), .stored("t")]), dtype), reader).bytes
        == blocks(values.map { $0 + $0 }))
  }

  @Test(arguments: Golden.all) func errorsAreMeasured(_ golden: Golden) throws {
    let dtype = try #require(golden.dtype)
    let (reader, rows, values) = try Self.weights()
    let quantized = TensorExpression.cast(.stored("t"), dtype)
    let type = TensorType(dtype, [rows, Self.columns])
    let blocks = try MemoryReader([("q", type, try golden.blocks(golden.plain))])
    let rounded: [Float] = Data(try evaluate(.cast(.stored("q"), .f32), blocks).bytes).numbers()
    let pairs = zip(values, rounded).map { (Double($0), Double($1)) }
    let squaredValues = pairs.reduce(0) { $0 + $1.0 * $1.0 }
    let squaredErrors = pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let product = pairs.reduce(0) { $0 + $1.0 * $1.1 }
    let squaredBlocks = pairs.reduce(0) { $0 + $1.1 * $1.1 }
    let largest = zip(values, rounded).map { abs($0 - $1) }.max() ?? 0
    let zeroBlocks = stride(from: 0, to: values.count, by: dtype.blockElementCount).filter {
      rounded[$0..<$0 + dtype.blockElementCount].allSatisfy { $0 == 0 }
    }
    for (threads, memory) in [(1, nil), (2, nil), (2, 64 << 20)] {
      let report = try run([quantized], reader, threads: threads, memory: memory).tensor(0).report
      let errors = try #require(report.quantization)
      #expect(!report.isExact && report.overflowCount == 0)
      #expect(errors.count == values.count)
      #expect(
        abs(errors.relativeRMSE / (squaredErrors / squaredValues).squareRoot() - 1) < 1e-6)
      #expect(abs(errors.cosine - product / (squaredValues * squaredBlocks).squareRoot()) < 1e-9)
      #expect(errors.largestError == Double(largest))
      let place = errors.largestErrorPlace
      #expect(abs(values[place] - rounded[place]) == largest)
      #expect(errors.zeroBlockCount == zeroBlocks.count)
      let flushed = zeroBlocks.filter {
        !values[$0..<$0 + dtype.blockElementCount].allSatisfy { $0 == 0 }
      }
      #expect(errors.flushedBlockCount == flushed.count)
    }
  }

  @Test func zerosAreExact() throws {
    let reader = try MemoryReader([
      ("t", TensorType(.f32, [2, 256]), [UInt8](repeating: 0, count: 2048))
    ])
    let report = try evaluate(.cast(.stored("t"), .q4K), reader).report
    #expect(report.isExact)
    let errors = try #require(report.quantization)
    #expect(errors.relativeRMSE == 0 && errors.cosine == 1)
    #expect(errors.zeroBlockCount == 2 && errors.flushedBlockCount == 0)
  }

  @Test(arguments: [
    (Float.nan, "NaN at [1, 37]", CheckpointError.Code.malformed),
    (-Float.infinity, "-inf at [1, 37]", .malformed), (1e20, "1e+20 at [1, 37]", .overflow),
  ])
  func whatNoBlockStandsForIsRefused(
    _ value: Float, _ found: String, _ code: CheckpointError.Code
  ) throws {
    var values = [Float](repeating: 0.5, count: 512)
    values[256 + 37] = value
    let reader = try MemoryReader([
      (
        "t", TensorType(.f32, [2, 256]), values.flatMap { $0.bitPattern.littleEndianBytes }
      )
    ])
    for dtype in [DType.q8_0, .q4_0, .q4_1, .q6K, .q4K, .q2K, .iq4XS] {
      let error = #expect(throws: CheckpointError.self) {
        try run([.cast(.stored("t"), dtype)], reader)
      }
      #expect(error?.code == code, "\(dtype)")
      #expect(error?.found == found, "\(dtype)")
      #expect(error?.tensor == "task 0")
    }
  }

  @Test func typesMustFit() throws {
    let reader = try MemoryReader([
      ("narrow", TensorType(.f32, [2, 48]), [UInt8](repeating: 0, count: 384)),
      ("wide", TensorType(.f32, [2, 64]), [UInt8](repeating: 0, count: 512)),
      ("whole", TensorType(.i32, [2, 64]), [UInt8](repeating: 0, count: 512)),
    ])
    let short = ColumnImportance(origin: "test", values: [1, 2, 3])
    for expression: TensorExpression in [
      .cast(.stored("narrow"), .q8_0), .cast(.stored("wide"), .q4K), .cast(.stored("whole"), .q8_0),
      .quantize(.stored("wide"), .q4_0, QuantizationMethod(importance: short)),
      .quantize(.stored("whole"), .q4_0, QuantizationMethod(importance: short)),
    ] {
      #expect(throws: CheckpointError.self) {
        try CompiledExpression(expression, in: reader.checkpoint)
      }
    }
    #expect(try evaluate(.cast(.stored("wide"), .q8_0), reader).bytes.count == 4 * 34)
  }
}
