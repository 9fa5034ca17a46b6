import CTensorKernels
import FileContainers
import TestSupport
import Testing

/// Quantization to the blocks of GGUF: golden bytes of ggml's reference, and the variants with one another.
@Suite struct BlockTests {
  private static let goldens = BlockGoldens.all
  private static let levels = [WB_PORTABLE] + fastLevels

  /// Numbers that a checkpoint hardly has, in groups: of one value, far apart, out of the range of binary16, or too small for it.
  private static func oddities(count: Int, seed: UInt64) -> [Float] {
    var random = FixedRandom(seed: seed)
    var values: [Float] = []
    while values.count < count {
      let kind = Int.random(in: 0..<8, using: &random)
      let level = Float.random(in: -1...1, using: &random)
      for index in 0..<32 {
        let value = Float.random(in: -1...1, using: &random)
        switch kind {
        case 0: values.append(index.isMultiple(of: 2) ? 0 : -0.0)
        case 1: values.append(level)
        case 2: values.append(value * 0x1p-135)
        case 3: values.append(value * 0x1p50)
        case 4: values.append(index == 9 ? level : 0)
        case 5: values.append(-value.magnitude - 1)
        case 6: values.append(value.magnitude * 0x1p-20 + 1)
        default: values.append(value * value * value)
        }
      }
    }
    return Array(values.prefix(count))
  }

  @Test func hasGoldensForEveryType() {
    #expect(Self.goldens.types.count == 14)
    for format in Self.goldens.types {
      #expect(wb_block_length(format.type) == format.blockLength, "\(format)")
      #expect(wb_block_byte_count(format.type) == format.blockBytes, "\(format)")
    }
    #expect(wb_block_length(wb_block_type(rawValue: 9)) == 0)
    #expect(wb_block_byte_count(wb_block_type(rawValue: 9)) == 0)
  }

  @Test(arguments: goldens.types)
  func givesTheBytesOfTheReferenceAtEveryLevel(_ format: BlockGoldens.Format) throws {
    let goldens = Self.goldens
    let rows = BlockGoldens.floats(try goldens.weights.bytes())
    let importance = BlockGoldens.floats(try goldens.importance.bytes())
    for (file, isWeighted) in format.cases {
      let expected = try file.bytes()
      #expect(expected.count == rows.count / format.blockLength * format.blockBytes)
      for level in Self.levels {
        let blocks = quantize(
          level, format.type, rows[...], columns: goldens.columns,
          importance: isWeighted ? importance : nil)
        if isSame(blocks, expected) { continue }
        let byte = zip(blocks, expected).prefix { $0 == $1 }.count
        let weight = byte / format.blockBytes * format.blockLength
        let row = weight / goldens.columns
        Issue.record(
          """
          \(format), \(isWeighted ? "weighted, " : "")\(level.name): \
          first difference among \(goldens.distributions[row / goldens.rowsOfEach]) weights, \
          row \(row), column \(weight % goldens.columns), byte \(byte % format.blockBytes)
          """)
      }
    }
  }

  @Test(arguments: goldens.types)
  func givesTheWeightsOfTheReference(_ format: BlockGoldens.Format) throws {
    for (file, _) in format.cases {
      let weights = dequantize(format.type, try file.bytes())
      let bytes = weights.withUnsafeBytes { Array($0) }
      #expect(Digest(of: bytes) == file.digestOfWeights, "\(file.file)")
    }
  }

  @Test(arguments: goldens.types)
  func takesRowsInAnyParts(_ format: BlockGoldens.Format) throws {
    let columns = Self.goldens.columns
    let rows = BlockGoldens.floats(try Self.goldens.weights.bytes())
    let importance = BlockGoldens.floats(try Self.goldens.importance.bytes())
    let rowBytes = columns / format.blockLength * format.blockBytes
    for (file, isWeighted) in format.cases {
      let expected = try file.bytes()
      for level in Self.levels {
        // Every other distribution begins within a part.
        for (first, count) in [(0, 1), (1, 2), (3, 7), (20, 5), (54, 1), (7, 0)] {
          let part = rows[first * columns..<(first + count) * columns]
          let blocks = quantize(
            level, format.type, part, columns: columns, importance: isWeighted ? importance : nil)
          let reference = expected[first * rowBytes..<(first + count) * rowBytes]
          #expect(isSame(blocks, Array(reference)), "rows from \(first) on, \(level.name)")
        }
      }
    }
  }

  @Test(arguments: goldens.types)
  func givesTheSameBytesAtEveryLevelForRowsOfAnyLength(_ format: BlockGoldens.Format) {
    for blockCount in [1, 2, 3, 4, 5, 7, 9] {
      let columns = blockCount * format.blockLength
      let rows = Self.oddities(count: 3 * columns, seed: UInt64(blockCount))
      let importance = Self.oddities(count: columns, seed: 99).map { min($0.magnitude, 8) }
      for given in [nil, importance] {
        let portable = quantize(
          WB_PORTABLE, format.type, rows[...], columns: columns, importance: given)
        for level in fastLevels {
          let blocks = quantize(level, format.type, rows[...], columns: columns, importance: given)
          #expect(isSame(blocks, portable), "\(blockCount) blocks a row, \(level.name)")
        }
      }
    }
  }

  /// Their blocks mean nothing, but there are as many of them as of others.
  @Test(arguments: goldens.types)
  func survivesNumbersThatAreNotFinite(_ format: BlockGoldens.Format) {
    let columns = 4 * 256
    var random = FixedRandom(seed: 5)
    let special: [Float] = [.nan, .infinity, -.infinity, .greatestFiniteMagnitude, 0, 1]
    for share in [1, 3, 100] {
      let rows = (0..<columns).map { _ in
        Int.random(in: 0..<share, using: &random) == 0
          ? special[Int.random(in: 0..<6, using: &random)]
          : Float.random(in: -1...1, using: &random)
      }
      for level in Self.levels {
        for importance in [nil, rows] {
          let blocks = quantize(
            level, format.type, rows[...], columns: columns, importance: importance)
          #expect(dequantize(format.type, blocks).count == columns)
        }
      }
    }
  }
}
