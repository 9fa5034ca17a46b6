import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Codes taken bit by bit, against the evaluator.
@Suite struct PackedEvaluationTests {
  struct Layout: CustomTestStringConvertible, Sendable {
    let code: PackedCode
    let dtype: DType
    let axis: Int
    var testDescription: String { "\(code) in \(dtype.rawValue), axis \(axis)" }
  }

  private static let streams: [Layout] = (1...8).flatMap { bits in
    [PackedCode.unsigned(bits: bits), .excess(bits: bits)].flatMap { code in
      [
        Layout(code: code, dtype: .u32, axis: 1), Layout(code: code, dtype: .u8, axis: 1),
        Layout(code: code, dtype: .i32, axis: 0),
      ]
    }
  }
  private static let others: [Layout] =
    [.lessOne(bits: 2), .lessOne(bits: 3), .lessOne(bits: 4), .lessOne(bits: 8), .awq].map {
      Layout(code: $0, dtype: .i32, axis: 1)
    }
    + [.highFirst, .fp4, .e4m3, .e5m2, .e8m0, .int8].map {
      Layout(code: $0, dtype: .u8, axis: 1)
    } + [Layout(code: .e4m3, dtype: .f8e4m3, axis: 1), Layout(code: .e4m3, dtype: .u32, axis: 1)]

  /// A number by the definition, from the bytes along the axis.
  private static func number(_ code: PackedCode, _ bytes: [UInt8], _ place: Int) -> Float {
    func bit(_ index: Int) -> Int { Int(bytes[index / 8] >> (index % 8) & 1) }
    func field(_ first: Int, _ bits: Int) -> Int {
      (0..<bits).reduce(0) { $0 | bit(first + $1) << $1 }
    }
    func small(exponentBits: Int, fractionBits: Int, bias: Int) -> Float {
      let value = field(place * 8, 8)
      let (exponent, fraction) = (
        value >> fractionBits & (1 << exponentBits - 1), value & (1 << fractionBits - 1)
      )
      let step = Float(
        sign: .plus, exponent: max(exponent, 1) - bias - fractionBits, significand: 1)
      let magnitude = Float(fraction + (exponent == 0 ? 0 : 1 << fractionBits)) * step
      return value & 0x80 == 0 ? magnitude : -magnitude
    }
    switch code {
    case .unsigned(let bits): return Float(field(place * bits, bits))
    case .excess(let bits): return Float(field(place * bits, bits) - 1 << (bits - 1))
    case .lessOne(3): return Float((field(place * 3, 3) + 1) % 8)
    case .lessOne(let bits):
      let (word, shift) = (place * bits / 32, place * bits % 32)
      let ones = stride(from: 0, to: 32, by: bits).reduce(UInt32(0)) { $0 | 1 << UInt32($1) }
      let whole = UInt32(field(word * 32, 32)) &+ ones
      return Float(whole >> UInt32(shift) & (1 << UInt32(bits) - 1))
    case .awq:
      return Float(field(place / 8 * 32 + [0, 4, 1, 5, 2, 6, 3, 7][place % 8] * 4, 4))
    case .highFirst: return Float(field(place / 2 * 8 + (place % 2 == 0 ? 4 : 0), 4))
    case .fp4:
      let value = field(place * 4, 4)
      let magnitude: Float = [0, 0.5, 1, 1.5, 2, 3, 4, 6][value & 7]
      return value < 8 ? magnitude : -magnitude
    case .e4m3:
      return field(place * 8, 7) == 0x7f ? .nan : small(exponentBits: 4, fractionBits: 3, bias: 7)
    case .e5m2:
      let magnitude = field(place * 8, 7)
      if magnitude > 0x7c { return .nan }
      if magnitude == 0x7c { return bit(place * 8 + 7) == 0 ? .infinity : -.infinity }
      return small(exponentBits: 5, fractionBits: 2, bias: 15)
    case .e8m0:
      let value = field(place * 8, 8)
      return value == 255 ? .nan : Float(sign: .plus, exponent: value - 127, significand: 1)
    case .int8: return Float(Int8(truncatingIfNeeded: field(place * 8, 8)))
    }
  }

  @Test(arguments: streams + others) func codesAreTheirNumbers(_ layout: Layout) throws {
    let cell = layout.dtype.blockByteCount
    let (across, count) = (5, 96)
    let cells = count * layout.code.bits / (cell * 8)
    let shape: Shape = layout.axis == 1 ? [across, cells] : [cells, across]
    var random = FixedRandom(seed: 7)
    let bytes = (0..<across * cells * cell).map { _ in UInt8.random(in: 0...255, using: &random) }
    let reader = try MemoryReader([("w", TensorType(layout.dtype, shape), bytes)])
    let whole: Shape = layout.axis == 1 ? [across, count] : [count, across]
    let expression = TensorExpression.decode(.stored("w"), layout.code, whole, axis: layout.axis)
    // The bytes of a stream, which runs along the axis.
    let streams = (0..<across).map { line in
      (0..<cells).flatMap { place in
        let first = (layout.axis == 1 ? line * cells + place : place * across + line) * cell
        return Array(bytes[first..<first + cell])
      }
    }
    for (down, along) in [
      (0..<across, 0..<count), (1..<3, 7..<8), (4..<5, 31..<66), (0..<2, 95..<96), (2..<4, 32..<64),
    ] {
      let region =
        layout.axis == 1
        ? MatrixRegion(rows: down, columns: along) : MatrixRegion(rows: along, columns: down)
      let result = try evaluate(expression, reader, region, slack: 8).bytes
      let found: [Float] = Data(result).numbers()
      var expected: [Float] = []
      for row in region.rows {
        for column in region.columns {
          let (line, place) = layout.axis == 1 ? (row, column) : (column, row)
          expected.append(Self.number(layout.code, streams[line], place))
        }
      }
      let isEqual = zip(found, expected).allSatisfy {
        $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN
      }
      #expect(isEqual && found.count == expected.count, "\(region)")
    }
  }

  @Test(arguments: 1...8, [DType.u8, .u32, .i32])
  func numbersAreEncodedAsTheyAreDecoded(bits: Int, dtype: DType) throws {
    // Codes down the columns are those along the rows of the matrix turned.
    let (down, across) = (96, 5)
    let words = down * bits / 32
    var random = FixedRandom(seed: UInt64(bits))
    let bytes = (0..<words * across * 4).map { _ in UInt8.random(in: 0...255, using: &random) }
    let reader = try MemoryReader([("w", TensorType(.u32, [words, across]), bytes)])
    let numbers = TensorExpression.decode(
      .stored("w"), .unsigned(bits: bits), [down, across], axis: 0)
    let codes = TensorExpression.encode(.transpose(numbers), bits: bits, dtype)
    #expect(codes.isRepacked)
    let cells = down * bits / 8 / dtype.blockByteCount
    #expect(
      try codes.type { reader.checkpoint.type(of: $0) } == TensorType(dtype, [across, cells]))
    let turned = (0..<across).flatMap { column in
      (0..<words).flatMap { row in
        Array(bytes[((row * across + column) * 4)...].prefix(4))
      }
    }
    #expect(try evaluate(codes, reader).bytes == turned)
    let middle = cells / 3..<max(cells / 3 + 1, cells - 1)
    let region = MatrixRegion(rows: 1..<4, columns: middle)
    let rowByteCount = words * 4
    let part = region.rows.flatMap { row in
      let base = row * rowByteCount
      return Array(
        turned[
          base + middle.lowerBound * dtype.blockByteCount..<base + middle.upperBound
            * dtype.blockByteCount])
    }
    #expect(try evaluate(codes, reader, region, slack: 8).bytes == part)
  }

  @Test func numbersThatHaveNoCodeAreTheNearest() throws {
    let values = SampleFloats([-3, 0.4, 0.6, 15.4, 99, .nan, .infinity, 7])
    let reader = try MemoryReader([("s", TensorType(.f32, [1, 8]), values.bytes)])
    let codes = TensorExpression.encode(.stored("s"), bits: 4, .u8)
    #expect(try evaluate(codes, reader).bytes == [0x00, 0xF1, 0x0F, 0x7F])
    #expect(!codes.isRepacked)
    let odd = TensorExpression.encode(.stored("s"), bits: 3, .u32)
    #expect(throws: CheckpointError.self) { try odd.type { reader.checkpoint.type(of: $0) } }
  }

  @Test func codesThatDontFillTheMatrixAreRefused() throws {
    let reader = try MemoryReader([
      ("w", TensorType(.u32, [2, 3]), [UInt8](repeating: 0, count: 24))
    ])
    for (columns, fits) in [
      (24, true), (23, true), (17, true), (16, false), (25, false), (0, false),
    ] {
      let expression = TensorExpression.decode(
        .stored("w"), .unsigned(bits: 4), [2, columns], axis: 1)
      let type = try? expression.type { reader.checkpoint.type(of: $0) }
      #expect((type != nil) == fits, "\(columns)")
    }
    let huge = TensorExpression.decode(.stored("w"), .unsigned(bits: 8), [2, Int.max / 2], axis: 1)
    #expect(throws: CheckpointError.self) { try huge.type { reader.checkpoint.type(of: $0) } }
  }

  @Test func elementsAreSpreadGatheredLookedUpAndCombined() throws {
    let values = SampleFloats([1, 2, 3, 4, 5, 6])
    let reader = try MemoryReader([
      ("s", TensorType(.f32, [2, 3]), values.bytes), ("t", TensorType(.f32, [6]), values.bytes),
      ("i", TensorType(.i32, [4]), [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
      ("c", TensorType(.u8, [1, 3]), [5, 0, 2]), ("bad", TensorType(.u8, [1, 1]), [6]),
    ])
    func floats(_ expression: TensorExpression) throws -> [Float] {
      Data(try evaluate(expression, reader).bytes).numbers()
    }
    // The last block is cut.
    #expect(
      try floats(.spread(.stored("s"), [3, 5], block: [2, 2]))
        == [1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6])
    #expect(
      try floats(.gather(.stored("s"), rows: .stored("i"))) == [4, 5, 6, 4, 5, 6, 1, 2, 3, 4, 5, 6])
    let places = TensorExpression.decode(.stored("c"), .unsigned(bits: 8), [1, 3], axis: 1)
    #expect(try floats(.lookUp(.stored("t"), places: places)) == [6, 1, 3])
    let bad = TensorExpression.decode(.stored("bad"), .unsigned(bits: 8), [1, 1], axis: 1)
    #expect(throws: CheckpointError.self) { try floats(.lookUp(.stored("t"), places: bad)) }
    let twice = TensorExpression.combine(
      .product, .stored("s"), .fill(2, TensorType(.f32, [2, 3])))
    #expect(try floats(twice) == [2, 4, 6, 8, 10, 12])
    #expect(try floats(.combine(.difference, twice, .stored("s"))) == values.floats)
    #expect(try floats(.combine(.quotient, twice, .stored("s"))) == [2, 2, 2, 2, 2, 2])
  }
}

private struct SampleFloats {
  let floats: [Float]
  init(_ floats: [Float]) { self.floats = floats }
  var bytes: [UInt8] {
    floats.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
  }
}
