import CTensorKernels
import TestSupport
import Testing

/// Better scales than a format's own tool takes: never worse, the same bytes at every level, and gains that a search has to have.
@Suite struct RefinementTests {
  private static let columns = 256
  private static let rowCount = 3
  private static let levels = [WB_PORTABLE] + fastLevels

  /// A way to quantize rows, and what it makes of them.
  struct Format: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// What is left of the relative error of normally distributed weights, at most.
    let share: Double
    let byteCount: Int
    let quantize: @Sendable ([Float], [Float]?, inout [UInt8]) -> Void
    let refine: @Sendable (wb_level, [Float], [Float]?, inout [UInt8]) -> Void
    let values: @Sendable ([UInt8]) -> [Float]

    static func blocks(_ name: String, _ type: wb_block_type, _ share: Double) -> Format {
      let rowByteCount = columns / wb_block_length(type) * wb_block_byte_count(type)
      return Format(
        testDescription: name, share: share, byteCount: rowByteCount * rowCount,
        quantize: { wb_quantize(type, $0, rowCount, columns, $1, &$2) },
        refine: { wb_refine($0, type, $1, rowCount, columns, $2, &$3) },
        values: { dequantize(type, $0) })
    }

    static func mlx(
      _ name: String, _ mode: wb_mlx_mode, _ bits: UInt32, _ group: UInt32, _ share: Double,
      _ dtype: wb_float_type = WB_BF16
    ) -> Format {
      let format = wb_mlx_format(mode: mode, bits: bits, group: group, dtype: dtype)
      let stride = wb_mlx_row_byte_count(format, columns)
      return Format(
        testDescription: "mlx \(name)", share: share, byteCount: stride * rowCount,
        quantize: { wb_mlx_quantize(format, $0, rowCount, columns, &$2, stride) },
        refine: { wb_mlx_refine($0, format, $1, rowCount, columns, $2, &$3, stride) },
        values: { packed in
          var values = [Float](repeating: 0, count: rowCount * columns)
          wb_mlx_dequantize(format, packed, stride, rowCount, columns, &values)
          return values
        })
    }

    static func compressed(
      _ name: String, _ mode: wb_ct_mode, _ bits: UInt32, in wordBits: UInt32, _ group: UInt32,
      rows: UInt32 = 1, _ share: Double, _ dtype: wb_float_type = WB_BF16
    ) -> Format {
      let format = wb_ct_format(
        mode: mode, bits: bits, word_bits: wordBits, group: group, rows: rows, dtype: dtype,
        tensor_scale: 20_000)
      let stride = wb_ct_row_byte_count(format, columns)
      return Format(
        testDescription: name, share: share, byteCount: stride * rowCount,
        quantize: { wb_ct_quantize(format, $0, rowCount, columns, &$2, stride) },
        refine: { wb_ct_refine($0, format, $1, rowCount, columns, $2, &$3, stride) },
        values: { packed in
          var values = [Float](repeating: 0, count: rowCount * columns)
          wb_ct_dequantize(format, packed, stride, rowCount, columns, &values)
          return values
        })
    }

    static let all: [Format] = [
      blocks("Q4_0", WB_Q4_0, 0.97), blocks("Q4_1", WB_Q4_1, 0.97), blocks("Q5_0", WB_Q5_0, 0.97),
      blocks("Q5_1", WB_Q5_1, 0.98), blocks("Q8_0", WB_Q8_0, 0.97),
      blocks("Q2_K", WB_Q2_K, 0.95), blocks("Q3_K", WB_Q3_K, 0.98), blocks("Q4_K", WB_Q4_K, 1),
      blocks("Q5_K", WB_Q5_K, 0.99), blocks("Q6_K", WB_Q6_K, 0.99),
      blocks("IQ4_NL", WB_IQ4_NL, 1), blocks("IQ4_XS", WB_IQ4_XS, 1),
      blocks("MXFP4", WB_MXFP4, 1), blocks("NVFP4", WB_NVFP4, 0.95),
      mlx("q2", WB_MLX_AFFINE, 2, 32, 0.9), mlx("q3", WB_MLX_AFFINE, 3, 64, 0.92),
      mlx("q4", WB_MLX_AFFINE, 4, 64, 0.93), mlx("q4 F16", WB_MLX_AFFINE, 4, 32, 0.93, WB_F16),
      mlx("q4 F32", WB_MLX_AFFINE, 4, 128, 0.94, WB_F32), mlx("q6", WB_MLX_AFFINE, 6, 64, 0.95),
      mlx("q8", WB_MLX_AFFINE, 8, 64, 0.85), mlx("mxfp4", WB_MLX_MXFP4, 4, 32, 1),
      mlx("nvfp4", WB_MLX_NVFP4, 4, 16, 0.92), mlx("mxfp8", WB_MLX_MXFP8, 8, 32, 1),
      compressed("w4a16-g32", WB_CT_INTEGERS, 4, in: 32, 32, 0.95),
      compressed("w4a16-channel", WB_CT_INTEGERS, 4, in: 32, 0, 0.95, WB_F16),
      compressed("w8a8", WB_CT_INTEGERS, 8, in: 8, 0, 1),
      compressed("fp8", WB_CT_E4M3, 8, in: 8, 0, 0.97),
      compressed("fp8-block", WB_CT_E4M3, 8, in: 8, 128, rows: 2, 1),
      compressed("nvfp4a16", WB_CT_NVFP4, 4, in: 8, 16, 0.92),
      compressed("mxfp4a16", WB_CT_MXFP4, 4, in: 8, 32, 1),
      compressed("mxfp8a16", WB_CT_MXFP8, 8, in: 8, 32, 1),
    ]
  }

  /// Sums of twelve numbers, which are nearly normally distributed, as BF16 has them.
  private static func normal(_ seed: UInt64) -> [Float] {
    var random = FixedRandom(seed: seed)
    return (0..<columns * rowCount).map { _ in
      let sum = (0..<12).reduce(Float(-6)) { sum, _ in sum + Float.random(in: 0..<1, using: &random)
      }
      return Float(bitPattern: (sum * 0.02).bitPattern & 0xffff_0000)
    }
  }

  private static func importance() -> [Float] {
    var random = FixedRandom(seed: 3)
    return (0..<columns).map { _ in
      let value = Float.random(in: 0...1, using: &random)
      return value * value * value * 9
    }
  }

  private static func squaredError(_ x: [Float], _ y: [Float], _ importance: [Float]?) -> Double {
    zip(x, y).enumerated().reduce(0) { sum, pair in
      let difference = Double(pair.element.0) - Double(pair.element.1)
      return sum + Double(importance?[pair.offset % columns] ?? 1) * difference * difference
    }
  }

  @Test(arguments: Format.all) func errorsFall(_ format: Format) {
    let weights = Self.normal(1)
    for importance in [nil, Self.importance()] {
      var plain = [UInt8](repeating: 0, count: format.byteCount)
      format.quantize(weights, importance, &plain)
      var results: [[UInt8]] = []
      for level in Self.levels {
        var bytes = plain
        format.refine(level, weights, importance, &bytes)
        results.append(bytes)
      }
      #expect(results.allSatisfy { isSame($0, results[0]) })
      let before = Self.squaredError(weights, format.values(plain), importance)
      let after = Self.squaredError(weights, format.values(results[0]), importance)
      #expect(after <= before * format.share * format.share, "\(after / before)")
      // What is as good as it gets stays.
      var again = results[0]
      format.refine(WB_PORTABLE, weights, importance, &again)
      #expect(Self.squaredError(weights, format.values(again), importance) <= after)
    }
  }

  /// Rows that no checkpoint should have: nothing is worse, and values stay finite where they were.
  @Test(arguments: Format.all) func oddRowsAreNotWorse(_ format: Format) {
    var random = FixedRandom(seed: 8)
    for kind in 0..<9 {
      let weights = (0..<Self.columns * Self.rowCount).map { place -> Float in
        let value = Float.random(in: -1...1, using: &random)
        return switch kind {
        case 0: place.isMultiple(of: 2) ? 0 : -0.0
        case 1: 0.75
        case 2: value * 0x1p-135
        case 3: value * 0x1p-16
        case 4: place % 64 == 9 ? value : 0
        case 5: -value.magnitude - 1
        case 6: value * 0x1p100
        case 7: place == 100 ? .nan : value
        default: place == 100 ? -.infinity : value
        }
      }
      var plain = [UInt8](repeating: 0, count: format.byteCount)
      format.quantize(weights, nil, &plain)
      var results: [[UInt8]] = []
      for level in Self.levels {
        var bytes = plain
        format.refine(level, weights, nil, &bytes)
        results.append(bytes)
      }
      #expect(results.allSatisfy { isSame($0, results[0]) }, "\(kind)")
      let before = Self.squaredError(weights, format.values(plain), nil)
      guard before.isFinite else { continue }
      #expect(Self.squaredError(weights, format.values(results[0]), nil) <= before, "\(kind)")
    }
  }

  @Test func columnsWithoutImportanceDontCount() {
    let weights = Self.normal(2)
    let format = Format.blocks("Q4_0", WB_Q4_0, 1)
    let importance = (0..<Self.columns).map { Float($0.isMultiple(of: 4) ? 1 : 0) }
    var weighed = [UInt8](repeating: 0, count: format.byteCount)
    format.quantize(weights, nil, &weighed)
    var all = weighed
    format.refine(WB_PORTABLE, weights, importance, &weighed)
    format.refine(WB_PORTABLE, weights, nil, &all)
    let (one, other) = (format.values(weighed), format.values(all))
    #expect(
      Self.squaredError(weights, one, importance)
        < 0.9 * Self.squaredError(weights, other, importance))
    #expect(Self.squaredError(weights, one, nil) > Self.squaredError(weights, other, nil))
  }
}
