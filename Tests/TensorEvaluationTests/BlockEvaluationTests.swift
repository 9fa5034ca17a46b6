import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Blocks as the values that they stand for: of ggml's own making, whole and in parts.
@Suite struct BlockEvaluationTests {
  /// A format's blocks and the digest of their values, in `fixtures/quantization`.
  struct Golden: Decodable, CustomTestStringConvertible, Sendable {
    struct File: Decodable, Sendable {
      let file: String
      let digest_of_weights: Digest
    }
    let name: String
    let plain: File
    var testDescription: String { name }

    struct Manifest: Decodable {
      let columns: Int
      let types: [Golden]
    }

    static let manifest = try? JSONDecoder().decode(
      Manifest.self, from: Data(Fixtures.bytes("quantization/manifest.json")))
    static let all = manifest?.types ?? []

    /// The blocks as a tensor `t`.
    func reader() throws -> (reader: MemoryReader, type: TensorType) {
      let columns = try #require(Self.manifest).columns
      let dtype = try #require(
        DType.allCases.first { $0.rawValue.uppercased() == name.uppercased() })
      let bytes = try Fixtures.bytes("quantization/\(plain.file)")
      let rows = bytes.count / dtype.blockByteCount * dtype.blockElementCount / columns
      let type = TensorType(dtype, [rows, columns])
      return (try MemoryReader([("t", type, bytes)]), type)
    }
  }

  private static let values = TensorExpression.cast(.stored("t"), .f32)

  /// A region of a matrix of F32.
  private static func part(_ whole: [UInt8], _ columns: Int, _ region: MatrixRegion) -> [UInt8] {
    var bytes: [UInt8] = []
    for row in region.rows {
      let start = (row * columns + region.columns.lowerBound) * 4
      bytes += whole[start..<start + region.columns.count * 4]
    }
    return bytes
  }

  @Test func thereIsOneOfEachFormat() {
    let formats = DType.allCases.filter(\.isBlockQuantized).map { $0.rawValue.uppercased() }
    #expect(Set(Golden.all.map { $0.name.uppercased() }) == Set(formats))
  }

  @Test(arguments: Golden.all) func valuesAreThoseOfTheReference(_ golden: Golden) throws {
    let (reader, type) = try golden.reader()
    #expect(
      try Digest(of: evaluate(Self.values, reader).bytes) == golden.plain.digest_of_weights)
    for threads in [1, 2] {
      let result = try run([Self.values, .stored("t")], reader, threads: threads)
      #expect(try result.tensor(0).digest == golden.plain.digest_of_weights)
      #expect(try result.tensor(0).report.isExact)
      #expect(result.bytes(1) == reader.bytes(of: "t").map { Data($0) })
    }
    #expect(type.shape.elementCount > 10_000)
  }

  @Test(arguments: Golden.all) func regionsArePartsOfTheWhole(_ golden: Golden) throws {
    let (reader, type) = try golden.reader()
    let whole = try evaluate(Self.values, reader).bytes
    let (rows, columns) = (type.shape.dimensions[0], type.shape.dimensions[1])
    for (rowRange, columnRange) in [
      (0..<1, 0..<columns), (rows - 1..<rows, 0..<1), (1..<3, 31..<33), (2..<7, 5..<columns - 1),
      (0..<rows, 255..<256), (3..<5, 0..<columns), (4..<4, 0..<columns), (4..<6, 7..<7),
    ] {
      let region = MatrixRegion(rows: rowRange, columns: columnRange)
      let expected = Self.part(whole, columns, region)
      for slack in [0, 12] {
        #expect(
          try evaluate(Self.values, reader, region, slack: slack).bytes == expected, "\(region)")
      }
    }
  }

  /// Rows as they come, permuted with their blocks and permuted as values.
  @Test(arguments: Golden.all) func permutedBlocksArePermutedValues(_ golden: Golden) throws {
    let (reader, type) = try golden.reader()
    let (rows, columns) = (type.shape.dimensions[0], type.shape.dimensions[1])
    let whole = try evaluate(Self.values, reader).bytes
    for permutation in [
      RowPermutation(.halves(rotated: 4), groupCount: rows / 5, groupRowCount: 5),
      RowPermutation(.interleaved(rotated: rows / 2 * 2), groupCount: 1, groupRowCount: rows),
      RowPermutation(.parts(count: 5), groupCount: rows / 5, groupRowCount: 5),
    ] where permutation.rowCount == rows {
      var expected: [UInt8] = []
      for row in 0..<rows {
        let start = permutation.source(of: row) * columns * 4
        expected += whole[start..<start + columns * 4]
      }
      let permuted = TensorExpression.permuteRows(.stored("t"), permutation)
      #expect(try evaluate(.cast(permuted, .f32), reader).bytes == expected)
      #expect(try evaluate(.permuteRows(Self.values, permutation), reader).bytes == expected)
      // There and back with the blocks as they are.
      #expect(
        try evaluate(.permuteRows(permuted, permutation.inverse), reader).bytes
          == reader.bytes(of: "t"))
      let region = MatrixRegion(rows: 2..<rows - 1, columns: 30..<70)
      let part = try evaluate(.cast(permuted, .f32), reader, region, slack: 8).bytes
      #expect(part == Self.part(expected, columns, region))
    }
  }

  @Test func valuesAreRoundedOnceAndTurned() throws {
    let golden = try #require(Golden.all.first { $0.name.uppercased() == "Q5_1" })
    let (reader, type) = try golden.reader()
    let floats: [Float] = Data(try evaluate(Self.values, reader).bytes).numbers()
    let (rows, columns) = (type.shape.dimensions[0], type.shape.dimensions[1])
    let naive = NaiveTensor(.f32, rows, columns) { Double(floats[$0 * columns + $1]) }
    for dtype in [DType.f16, .bf16, .f64] {
      let expected = NaiveTensor(dtype, rows, columns) { naive[$0, $1] }
      let outcome = try evaluate(.cast(.stored("t"), dtype), reader)
      #expect(outcome.bytes == expected.bytes)
      #expect(outcome.report.isExact == (dtype == .f64))
    }
    let turned = NaiveTensor(.f32, columns, rows) { naive[$1, $0] }
    #expect(try evaluate(.transpose(Self.values), reader).bytes == turned.bytes)
    let part = MatrixRegion(rows: 3..<40, columns: 2..<9)
    let expected = NaiveTensor(.f32, 37, 7) { turned[$0 + 3, $1 + 2] }
    #expect(try evaluate(.transpose(Self.values), reader, part).bytes == expected.bytes)
  }

  /// Rows of blocks are whole: they can be cut, joined and given other extents, and their values are the same.
  @Test(arguments: Golden.all) func rowsOfBlocksAreCutAndJoined(_ golden: Golden) throws {
    let (reader, type) = try golden.reader()
    let (rows, columns) = (type.shape.dimensions[0], type.shape.dimensions[1])
    let whole = try evaluate(Self.values, reader).bytes
    let cut = rows / 3
    let parts: [TensorExpression] = [
      .slice(.stored("t"), axis: 0, range: cut..<rows),
      .slice(.stored("t"), axis: 0, range: 0..<cut),
    ]
    let turned = TensorExpression.concatenate(parts, axis: 0)
    let expected = Array(whole[(cut * columns * 4)...] + whole[..<(cut * columns * 4)])
    #expect(try evaluate(.cast(turned, .f32), reader).bytes == expected)
    let stack = TensorExpression.reshape(.stored("t"), Shape([1, rows, columns]))
    #expect(try evaluate(stack, reader).bytes == reader.bytes(of: "t"))
    #expect(
      try evaluate(.cast(.reshape(turned, Shape([1, rows, columns])), .f32), reader).bytes
        == expected)
  }

  @Test func mxfp4ComesApartAndTogether() throws {
    let golden = try #require(Golden.all.first { $0.name.uppercased() == "MXFP4" })
    let (reader, type) = try golden.reader()
    let blocks = try #require(reader.bytes(of: "t"))
    let codes = try evaluate(.codes(.stored("t")), reader).bytes
    let scales = try evaluate(.scales(.stored("t")), reader).bytes
    let extents = type.shape.dimensions.dropLast() + [type.shape.dimensions[1] / 32]
    #expect(codes.count == scales.count * 16)
    // Of the first block: weight 0 in the low half of byte 0, weight 1 in its high half.
    #expect(scales[0] == blocks[0])
    #expect(codes[0] == (blocks[1] & 15 | (blocks[2] & 15) << 4))
    #expect(codes[8] == (blocks[1] >> 4 | blocks[2] & 0xf0))
    let apart = try MemoryReader([
      ("c", TensorType(.u8, Shape(extents + [16])), codes),
      ("s", TensorType(.u8, Shape(Array(extents))), scales),
    ])
    let joined = TensorExpression.blocks([.stored("c"), .stored("s")], .mxfp4)
    #expect(try evaluate(joined, apart).bytes == blocks)
    #expect(
      try evaluate(.cast(joined, .f32), apart).bytes == evaluate(Self.values, reader).bytes)
    let width = extents[1] * 16
    let region = MatrixRegion(rows: 1..<3, columns: 5..<width - 3)
    let part = try evaluate(.codes(.stored("t")), reader, region, slack: 3).bytes
    var expected: [UInt8] = []
    for row in region.rows { expected += codes[(row * width + 5)..<((row + 1) * width - 3)] }
    #expect(part == expected)
  }

  /// Parts are those of the values, and make the same blocks again.
  @Test(arguments: DType.allCases.compactMap(BlockParts.init))
  func partsComeApartAndTogether(_ format: BlockParts) throws {
    let golden = try #require(Golden.all.first { $0.name.uppercased() == format.dtype.rawValue })
    let (reader, type) = try golden.reader()
    let blocks = try #require(reader.bytes(of: "t"))
    var parts: [(name: String, type: TensorType, bytes: [UInt8])] = []
    for part in format.parts {
      let expression: TensorExpression =
        switch part {
        case .codes: .codes(.stored("t"))
        case .scales: .scales(.stored("t"))
        default: .biases(.stored("t"))
        }
      parts.append(
        (
          part.rawValue, try expression.type { reader.checkpoint.type(of: $0) },
          try evaluate(expression, reader).bytes
        ))
    }
    let apart = try MemoryReader(parts)
    let joined = TensorExpression.blocks(parts.map { .stored($0.name) }, format.dtype)
    #expect(try evaluate(joined, apart).bytes == blocks)
    let few = MatrixRegion(rows: 1..<3, columns: 0..<1)
    #expect(
      try evaluate(joined, apart, few).bytes
        == Array(blocks[format.dtype.blockByteCount..<format.dtype.blockByteCount * 3]))
    guard format.isOfIntegers else { return }
    let (rows, columns) = (type.shape.dimensions[0], type.shape.dimensions[1])
    let width = columns / 32 * format.codeByteCount
    let codes = TensorExpression.decode(
      .reshape(.stored("codes"), [rows, width]),
      format.hasBiases ? .unsigned(bits: format.bits) : .excess(bits: format.bits), type.shape,
      axis: 1)
    func spread(_ part: String) -> TensorExpression {
      .spread(.stored(part), type.shape, block: [1, 32])
    }
    let product = TensorExpression.combine(.product, codes, spread("scales"))
    let values = format.hasBiases ? .sum([product, spread("biases")]) : product
    #expect(try evaluate(values, apart).bytes == evaluate(Self.values, reader).bytes)
  }

  @Test func blocksThemselvesCanNotBeTakenApart() throws {
    let (reader, _) = try #require(Golden.all.first { $0.name.uppercased() == "Q4_K" }).reader()
    for expression: TensorExpression in [
      .transpose(.stored("t")), .slice(.stored("t"), axis: 1, range: 0..<1),
      .reshape(.stored("t"), [1]), .codes(.stored("t")),
      .blocks([.stored("t"), .stored("t")], .mxfp4), .biases(.stored("t")),
      .sum([.stored("t"), .stored("t")]), .cast(.stored("t"), .i8),
    ] {
      #expect(throws: CheckpointError.self) {
        try CompiledExpression(expression, in: reader.checkpoint)
      }
    }
  }

  @Test func tensorsWithoutBlocksHaveNoValues() throws {
    let reader = try MemoryReader([
      ("rows", TensorType(.q4K, [0, 256]), []), ("columns", TensorType(.q4K, [4, 0]), []),
    ])
    for name in ["rows", "columns"] {
      #expect(try evaluate(.cast(.stored(name), .f32), reader).bytes.isEmpty)
      #expect(try run([.cast(.stored(name), .bf16)], reader).bytes(0).isEmpty)
    }
    let permutation = RowPermutation(.halves(rotated: 2), groupCount: 2, groupRowCount: 2)
    #expect(try evaluate(.permuteRows(.stored("columns"), permutation), reader).bytes.isEmpty)
  }
}
