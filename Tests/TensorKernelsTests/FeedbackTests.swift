import CTensorKernels
import Foundation
import TestSupport
import Testing

/// Codes that make up for each other's errors: those of GPTQ, never worse for the layer's output, the same bytes at every level.
@Suite struct FeedbackTests {
  private static let levels = [WB_PORTABLE] + fastLevels
  private static let columns = 256

  /// A format, and how rows of it are made and read.
  struct Format: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kernel: wb_feedback_format
    let stride: Int
    let best: @Sendable ([Float], Int, UnsafeMutableRawPointer) -> Void
    let values: @Sendable (UnsafeRawPointer, Int) -> [Float]

    static func blocks(_ name: String, _ type: wb_block_type) -> Format {
      var kernel = wb_feedback_format()
      (kernel.container, kernel.type) = (WB_FEEDBACK_BLOCKS, type)
      let count = columns / wb_block_length(type)
      return Format(
        testDescription: name, kernel: kernel, stride: count * wb_block_byte_count(type),
        best: {
          wb_quantize(type, $0, $1, columns, nil, $2)
          wb_refine(WB_PORTABLE, type, $0, $1, columns, nil, $2)
        },
        values: { packed, rows in
          var values = [Float](repeating: 0, count: rows * columns)
          wb_dequantize(type, packed, rows * count, &values)
          return values
        })
    }

    static func mlx(_ bits: UInt32, _ group: UInt32, _ dtype: wb_float_type = WB_F32) -> Format {
      var kernel = wb_feedback_format()
      let mlx = wb_mlx_format(mode: WB_MLX_AFFINE, bits: bits, group: group, dtype: dtype)
      (kernel.container, kernel.mlx) = (WB_FEEDBACK_MLX, mlx)
      let stride = wb_mlx_row_byte_count(mlx, columns)
      return Format(
        testDescription: "mlx-q\(bits)-g\(group)", kernel: kernel, stride: stride,
        best: {
          wb_mlx_quantize(mlx, $0, $1, columns, $2, stride)
          wb_mlx_refine(WB_PORTABLE, mlx, $0, $1, columns, nil, $2, stride)
        },
        values: { packed, rows in
          var values = [Float](repeating: 0, count: rows * columns)
          wb_mlx_dequantize(mlx, packed, stride, rows, columns, &values)
          return values
        })
    }

    static func compressed(
      _ name: String, _ bits: UInt32, _ group: UInt32, in words: UInt32 = 32,
      _ dtype: wb_float_type = WB_F32
    ) -> Format {
      var kernel = wb_feedback_format()
      let ct = wb_ct_format(
        mode: WB_CT_INTEGERS, bits: bits, word_bits: words, group: group, rows: 1, dtype: dtype,
        tensor_scale: 1)
      (kernel.container, kernel.ct) = (WB_FEEDBACK_CT, ct)
      let stride = wb_ct_row_byte_count(ct, columns)
      return Format(
        testDescription: name, kernel: kernel, stride: stride,
        best: {
          wb_ct_quantize(ct, $0, $1, columns, $2, stride)
          wb_ct_refine(WB_PORTABLE, ct, $0, $1, columns, nil, $2, stride)
        },
        values: { packed, rows in
          var values = [Float](repeating: 0, count: rows * columns)
          wb_ct_dequantize(ct, packed, stride, rows, columns, &values)
          return values
        })
    }

    static let all: [Format] = [
      blocks("q4_0", WB_Q4_0), blocks("q4_1", WB_Q4_1), blocks("q5_0", WB_Q5_0),
      blocks("q5_1", WB_Q5_1), blocks("q8_0", WB_Q8_0), blocks("q2_k", WB_Q2_K),
      blocks("q3_k", WB_Q3_K), blocks("q4_k", WB_Q4_K), blocks("q5_k", WB_Q5_K),
      blocks("q6_k", WB_Q6_K), mlx(2, 32), mlx(3, 64), mlx(4, 64), mlx(5, 128, WB_BF16),
      mlx(6, 32, WB_F16), mlx(8, 64), compressed("w4a16-g32", 4, 32),
      compressed("w4a16-g128", 4, 128, WB_BF16), compressed("w4a16-channel", 4, 0),
      compressed("w8a16-g128", 8, 128), compressed("w8a8", 8, 0, in: 8),
    ]

    /// Rows as the search for scales makes them.
    func best(of weights: [Float]) -> [UInt8] {
      let rows = weights.count / columns
      var packed = [UInt8](repeating: 0, count: rows * stride)
      packed.withUnsafeMutableBytes { if let base = $0.baseAddress { best(weights, rows, base) } }
      return packed
    }

    func values(of packed: [UInt8]) -> [Float] {
      packed.withUnsafeBytes { bytes in
        bytes.baseAddress.map { values($0, packed.count / stride) } ?? []
      }
    }

    /// Improves rows, so many at a time.
    func improve(
      _ level: wb_level, _ sample: FactorSample, _ weights: [Float], _ packed: inout [UInt8],
      importance: [Float]?, at once: Int = .max
    ) -> wb_feedback_sums {
      var sums = wb_feedback_sums()
      let size = (wb_feedback_scratch_byte_count(kernel, columns) + 7) / 8
      var scratch = [Double](repeating: .nan, count: size)
      let rows = weights.count / columns
      sample.tiles.withUnsafeBufferPointer { tiles in
        var factor = wb_moment_factor(
          columns: columns, tiles: tiles.baseAddress, damping: sample.damping)
        packed.withUnsafeMutableBytes { packed in
          for first in Swift.stride(from: 0, to: rows, by: min(rows, once)) {
            let count = min(once, rows - first)
            let own = Array(weights[first * columns..<(first + count) * columns])
            guard let base = packed.baseAddress else { return }
            wb_feedback(
              level, kernel, &factor, own, count, importance, base + first * stride, stride,
              &scratch, &sums)
          }
        }
      }
      return sums
    }
  }

  private static let sample = FactorSample(
    FactorSample.moments(of: FactorSample.inputs(columns: columns), columns: columns),
    columns: columns)

  private static func weights(_ rows: Int) -> [Float] {
    var random = FixedRandom(seed: 4)
    return (0..<rows * columns).map { place in
      // A row of zeros, and one with a single large weight.
      if place / columns == 2 { return 0 }
      let sum = (0..<6).reduce(Float(-3)) { sum, _ in sum + Float.random(in: 0..<1, using: &random)
      }
      return place == 5 * columns + 77 ? 9 : sum * 0.02
    }
  }

  @Test(arguments: Format.all) func outputsAreNearer(_ format: Format) {
    let rows = 11
    let weights = Self.weights(rows)
    #expect(wb_feedback_takes(format.kernel, Self.columns))
    let best = format.best(of: weights)
    for importance in [nil, Self.sample.squares] {
      var results: [[UInt8]] = []
      var sums = wb_feedback_sums()
      for level in Self.levels {
        var packed = best
        sums = format.improve(level, Self.sample, weights, &packed, importance: importance)
        results.append(packed)
      }
      #expect(results.allSatisfy { $0 == results[0] })
      var apart = best
      let others = format.improve(
        WB_PORTABLE, Self.sample, weights, &apart, importance: importance, at: 3)
      #expect(apart == results[0])
      #expect(others.improved_row_count == sums.improved_row_count && sums.row_count == 11)
      func errors(_ packed: [UInt8]) -> [Double] {
        Self.sample.outputErrors(
          zip(weights, format.values(of: packed)).map { Double($0) - Double($1) })
      }
      let (before, after) = (errors(best), errors(results[0]))
      let limit = 1e-9 * before.reduce(0, +)
      // Only where the output is nearer: other rows are as they were.
      var improved = 0
      for row in 0..<rows {
        let range = row * format.stride..<(row + 1) * format.stride
        if results[0][range] == best[range] { continue }
        improved += 1
        #expect(after[row] < before[row] + limit)
      }
      #expect(improved == Int(sums.improved_row_count) && improved > rows / 2)
      #expect(abs(sums.squared_error_before - before.reduce(0, +)) <= limit)
      #expect(abs(sums.squared_error - after.reduce(0, +)) <= limit)
      let values = Self.sample.outputErrors(weights.map(Double.init)).reduce(0, +)
      #expect(abs(sums.squared_values - values) <= 1e-9 * values)
      // One scale for a whole row leaves less to make up for.
      let share = format.testDescription.hasSuffix("-channel") ? 1 : 0.9
      #expect(sums.squared_error < share * sums.squared_error_before)
    }
  }

  /// Where inputs don't go together, there is nothing to make up for.
  @Test(arguments: Format.all) func withoutCorrelationRowsStay(_ format: Format) {
    let identity = (0..<Self.columns * Self.columns).map { place -> Float in
      place % (Self.columns + 1) == 0 ? 2 : 0
    }
    let sample = FactorSample(identity, columns: Self.columns)
    let weights = Self.weights(6)
    let best = format.best(of: weights)
    var packed = best
    let sums = format.improve(WB_PORTABLE, sample, weights, &packed, importance: nil)
    let error = zip(weights, format.values(of: packed)).reduce(0.0) {
      $0 + 2 * pow(Double($1.0) - Double($1.1), 2)
    }
    #expect(abs(sums.squared_error - error) <= 1e-9 * error)
    #expect(sums.squared_error <= sums.squared_error_before)
  }

  /// Codes and scales that scripts/goldens/feedback has from GPTQ as its paper has it.
  struct Golden: Decodable {
    let columns: Int
    let rows: Int
    let formats: [Format]
    struct Format: Decodable {
      let name: String
      let group: Int
      let least: Int
    }
  }

  private static func golden(_ name: String) throws -> [UInt8] {
    try Fixtures.bytes("quantization/feedback/\(name)")
  }

  private static func floats(_ name: String) throws -> [Float] {
    Data(try golden(name)).numbers()
  }

  @Test func codesAreThoseOfGPTQ() throws {
    let decoder = JSONDecoder()
    let goldens = try decoder.decode(Golden.self, from: Data(Self.golden("manifest.json")))
    #expect(goldens.columns == Self.columns && goldens.formats.count == 11)
    let inputs = try Self.golden("inputs.i8").map { Float(Int8(bitPattern: $0)) }
    let sample = FactorSample(
      FactorSample.moments(of: inputs, columns: Self.columns), columns: Self.columns)
    let weights = try Self.floats("weights.f32")
    for golden in goldens.formats {
      let format = try #require(Format.all.first { $0.testDescription == golden.name })
      let numbers = try Self.floats("\(golden.name).scales.f32")
      let (scales, offsets) = (
        numbers.prefix(numbers.count / 2), numbers.suffix(numbers.count / 2)
      )
      let wanted = try Self.golden("\(golden.name).codes.u8").enumerated().map { place, code in
        let group = place / golden.group
        return Float(Int(code) + golden.least) * scales[group]
          + offsets[offsets.startIndex + group]
      }
      for level in Self.levels {
        var packed = format.best(of: weights)
        let sums = format.improve(
          level, sample, weights, &packed, importance: sample.squares)
        #expect(Int(sums.improved_row_count) == goldens.rows)
        #expect(format.values(of: packed) == wanted, "\(golden.name)")
      }
    }
  }

  @Test func otherFormatsAreNotTaken() {
    for type in [WB_IQ4_NL, WB_IQ4_XS, WB_MXFP4, WB_NVFP4] {
      #expect(!wb_feedback_takes(Format.blocks("", type).kernel, Self.columns))
    }
    #expect(!wb_feedback_takes(Format.blocks("", WB_Q4_K).kernel, 128))
    #expect(!wb_feedback_takes(Format.mlx(4, 64).kernel, 96))
    var fp8 = Format.compressed("", 8, 0).kernel
    fp8.ct.mode = WB_CT_E4M3
    #expect(!wb_feedback_takes(fp8, Self.columns))
    // Columns that fill no tile, in one group.
    #expect(wb_feedback_takes(Format.compressed("", 4, 0).kernel, 90))
  }
}
