import CTensorKernels
import Foundation
import TensorModel
import TestSupport
import Testing

@testable import TensorEvaluation

/// What is counted of values while they go by, against counting them one by one.
@Suite struct ValueCensusTests {
  private static let floats: [DType] = [.f64, .f32, .f16, .bf16]
  private static let blocks: [DType] = DType.allCases.filter(\.isBlockQuantized)

  private func census(_ dtype: DType, _ bytes: [UInt8], cut: Int) -> ValueCensus? {
    let collector = CensusCollector([dtype])
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + cut)
      Array(bytes[start..<end]).withUnsafeBytes { piece in
        collector.update(
          EvaluatedSlab(
            index: 0, byteOffset: start, region: MatrixRegion(rows: 0..<1, columns: 0..<1),
            bytes: piece))
      }
      start = end
    }
    return collector[0]
  }

  @Test(arguments: floats, [1, 4097]) func countsFloats(_ dtype: DType, _ cut: Int) throws {
    let size = dtype.blockByteCount
    var random = FixedRandom(seed: UInt64(size))
    let infinity: UInt64 =
      switch dtype {
      case .f64: 0x7FF0_0000_0000_0000
      case .f32: 0x7F80_0000
      case .bf16: 0x7F80
      default: 0x7C00
      }
    var bytes: [UInt8] = []
    var (nans, infinities): ([Int], [Int]) = ([], [])
    for place in 0..<9000 {
      switch place % 1801 {
      case 7:
        nans.append(place)
        bytes += (infinity | 1).littleEndianBytes.prefix(size)
      case 5:
        infinities.append(place)
        bytes += infinity.littleEndianBytes.prefix(size)
      default: dtype.append(Double.random(in: -3...3, using: &random), to: &bytes)
      }
    }
    let found = try #require(census(dtype, bytes, cut: cut * size))
    #expect(found.nanCount == nans.count && found.infinityCount == infinities.count)
    #expect(found.firstNaN == nans[0] && found.firstInfinity == infinities[0])
    #expect(!found.isZero && !found.isConstant)
  }

  @Test(arguments: floats + [.i8, .u16, .i32, .u64, .f8e4m3, .f8e5m2])
  func tellsZerosAndConstants(_ dtype: DType) throws {
    let size = dtype.blockByteCount
    let zeros = [UInt8](repeating: 0, count: 5000 * size)
    let nothing = try #require(census(dtype, zeros, cut: 1024 * size))
    #expect(nothing.isZero && nothing.isConstant && nothing.firstNaN == nil)
    #expect(nothing.zeroByteCountAtEnd == zeros.count)
    var ones = zeros
    for place in stride(from: 0, to: ones.count, by: size) { ones[place] = 1 }
    let constant = try #require(census(dtype, ones, cut: 1024 * size))
    #expect(!constant.isZero && constant.isConstant)
    #expect(constant.zeroByteCountAtEnd == size - 1)
    ones[3000 * size] = 2
    for place in (3001 * size)..<ones.count { ones[place] = 0 }
    let varied = try #require(census(dtype, ones, cut: 1024 * size))
    #expect(!varied.isConstant)
    #expect(varied.zeroByteCountAtEnd == ones.count - 3000 * size - 1)
  }

  @Test(arguments: floats + [.f8e5m2], [1, 3, 4097])
  func tellsMasks(_ dtype: DType, _ cut: Int) throws {
    let size = dtype.blockByteCount
    let infinity: UInt64 =
      switch dtype {
      case .f64: 0x7FF0_0000_0000_0000
      case .f32: 0x7F80_0000
      case .bf16: 0x7F80
      case .f8e5m2: 0x7C
      default: 0x7C00
      }
    let sign: UInt64 = 1 << (8 * size - 1)
    func isMask(_ other: UInt64, at place: Int, of count: Int = 5000) throws -> Bool {
      var bytes: [UInt8] = []
      for element in 0..<count {
        let bits = element == place ? other : element % 7 == 3 ? infinity | sign : 0
        bytes += bits.littleEndianBytes.prefix(size)
      }
      return try #require(census(dtype, bytes, cut: cut * size)).hasMaskValues
    }
    // Zeros of both signs and -∞.
    #expect(try isMask(0, at: 0) && isMask(sign, at: 4999))
    for other in [1, infinity - 1, infinity, infinity | 1, sign | 1] {
      for place in [0, 1, 2500, 4999] { #expect(try !isMask(other, at: place), "\(other)") }
    }
    // Zeros alone are none.
    #expect(try !isMask(0, at: 0, of: 3))
  }

  /// Random bytes have scales of all kinds.
  @Test(arguments: blocks) func countsWeightsOfBlocks(_ dtype: DType) throws {
    guard let type = dtype.blockType, wb_block_length(type) > 0 else { return }
    let (length, size) = (wb_block_length(type), dtype.blockByteCount)
    var random = FixedRandom(seed: 5)
    let bytes = (0..<300 * size).map { _ in UInt8.random(in: 0...255, using: &random) }
    var values = [Float](repeating: 0, count: 300 * length)
    wb_dequantize(type, bytes, 300, &values)
    // ggml has no NaN among scales of 8 bits; the formats do.
    let scaleCount = dtype == .mxfp4 ? 1 : dtype == .nvfp4 ? 4 : 0
    for place in 0..<300 * scaleCount {
      let (block, scale) = place.quotientAndRemainder(dividingBy: scaleCount)
      let code = bytes[block * size + scale]
      guard dtype == .mxfp4 ? code == 0xFF : code & 0x7F == 0x7F else { continue }
      let width = length / scaleCount
      for weight in place * width..<(place + 1) * width { values[weight] = .nan }
    }
    #expect(scaleCount == 0 || values.contains { $0.isNaN })
    let found = try #require(census(dtype, bytes, cut: 77 * size))
    #expect(found.nanCount == values.count { $0.isNaN })
    #expect(found.infinityCount == values.count { $0.isInfinite })
    #expect(found.firstNaN == values.firstIndex { $0.isNaN })
    #expect(found.firstInfinity == values.firstIndex { $0.isInfinite })
    #expect(!found.isZero)
    let nothing = try #require(
      census(dtype, [UInt8](repeating: 0, count: 10 * size), cut: 3 * size))
    var zeros = [Float](repeating: 1, count: length)
    wb_dequantize(type, [UInt8](repeating: 0, count: size), 1, &zeros)
    #expect(nothing.isZero == zeros.allSatisfy { $0 == 0 })
  }
}
