import Foundation
import TensorModel
import Testing

@Suite struct DTypeTests {
  /// Bits of an element and elements of a block, from the safetensors crate's table of dtypes.
  private static let widths: [String: (bits: Int, block: Int)] = [
    "BOOL": (8, 1), "F4": (4, 2), "F6_E2M3": (6, 4), "F6_E3M2": (6, 4), "U8": (8, 1),
    "I8": (8, 1), "F8_E5M2": (8, 1), "F8_E4M3": (8, 1), "F8_E8M0": (8, 1),
    "F8_E4M3FNUZ": (8, 1), "F8_E5M2FNUZ": (8, 1), "I16": (16, 1), "U16": (16, 1),
    "F16": (16, 1), "BF16": (16, 1), "I32": (32, 1), "U32": (32, 1), "F32": (32, 1),
    "C64": (64, 1), "F64": (64, 1), "I64": (64, 1), "U64": (64, 1),
  ]
  /// Bytes and elements of a block, from gguf-py's `GGML_QUANT_SIZES`.
  private static let blocks: [String: (bytes: Int, elements: Int)] = [
    "Q4_0": (18, 32), "Q4_1": (20, 32), "Q5_0": (22, 32), "Q5_1": (24, 32), "Q8_0": (34, 32),
    "Q2_K": (84, 256), "Q3_K": (110, 256), "Q4_K": (144, 256), "Q5_K": (176, 256),
    "Q6_K": (210, 256), "IQ4_NL": (18, 32), "IQ4_XS": (136, 256), "MXFP4": (17, 32),
    "NVFP4": (36, 64),
  ]

  @Test func hasTheDtypesOfSafetensorsAndBlockFormats() {
    let names = Set(DType.allCases.map(\.rawValue))
    #expect(names == Set(Self.widths.keys).union(Self.blocks.keys))
    let blocks = DType.allCases.filter(\.isBlockQuantized).map(\.rawValue)
    #expect(Set(blocks) == Set(Self.blocks.keys))
  }

  @Test(arguments: DType.allCases.filter(\.isBlockQuantized))
  func countsBytesOfBlocksThatShareScales(_ dtype: DType) throws {
    let block = try #require(Self.blocks[dtype.rawValue])
    #expect(dtype.blockElementCount == block.elements)
    #expect(dtype.blockByteCount == block.bytes)
    #expect(dtype.bitsPerElement == block.bytes * 8 / block.elements)
    #expect(dtype.byteCount(elementCount: 0) == 0)
    #expect(dtype.byteCount(elementCount: 3 * block.elements) == 3 * block.bytes)
    #expect(dtype.byteCount(elementCount: 3 * block.elements - 1) == nil)
    #expect(dtype.hasFloatValues)
  }

  @Test(arguments: DType.allCases.filter(\.isBlockQuantized))
  func blocksLieWithinRows(_ dtype: DType) throws {
    let columns = dtype.blockElementCount
    let whole = try TensorInfo(name: "t", dtype: dtype, shape: [2, 3, columns], file: "")
    #expect(whole.byteCount == 6 * dtype.blockByteCount)
    // As many elements, but rows of half a block; and no rows at all.
    for shape in [[2 * columns, columns / 2], []] as [Shape] {
      let error = #expect(throws: CheckpointError.self) {
        try TensorInfo(name: "t", dtype: dtype, shape: shape, file: "")
      }
      #expect(error?.code == .malformed && error?.expected?.contains("\(columns)") == true)
    }
  }

  @Test(arguments: DType.allCases.filter { !$0.isBlockQuantized })
  func countsBytesOfWholeBlocks(_ dtype: DType) throws {
    let width = try #require(Self.widths[dtype.rawValue])
    #expect(dtype.bitsPerElement == width.bits)
    #expect(dtype.blockElementCount == width.block)
    #expect(dtype.blockByteCount * 8 == width.bits * width.block)
    #expect(dtype.byteCount(elementCount: 0) == 0)
    #expect(dtype.byteCount(elementCount: 12) == 12 * width.bits / 8)
    #expect((dtype.byteCount(elementCount: 13) == nil) == (width.block > 1))
  }

  @Test(arguments: DType.allCases)
  func refusesCountsWhoseBytesOverflow(_ dtype: DType) {
    let most = Int.max / dtype.blockByteCount
    if dtype.blockByteCount > dtype.blockElementCount {
      #expect(dtype.byteCount(elementCount: (most + 1) * dtype.blockElementCount) == nil)
    }
    if dtype.blockElementCount == 1 {
      #expect(dtype.byteCount(elementCount: most) == most * dtype.blockByteCount)
    }
  }

  @Test(arguments: DType.allCases)
  func castsOnlyWhatPyTorchCanName(_ dtype: DType) {
    #expect(dtype.isCastable == (dtype.torchName != nil))
    #expect(dtype.isCastable == ["F64", "F32", "F16", "BF16"].contains(dtype.rawValue))
  }

  @Test(arguments: DType.allCases)
  func isEncodedAsItsName(_ dtype: DType) throws {
    let encoded = try JSONEncoder().encode([dtype])
    #expect(String(decoding: encoded, as: UTF8.self) == "[\"\(dtype.rawValue)\"]")
    #expect(try JSONDecoder().decode([DType].self, from: encoded) == [dtype])
  }

  // MARK: Geometry

  @Test(arguments: [
    ([], 1, 1), ([5], 5, 1), ([3, 4], 3, 4), ([2, 3, 4], 2, 12), ([0, 4], 0, 4), ([4, 0], 4, 0),
    ([1, 1, 1, 7], 1, 7),
  ])
  func seesATensorAsRowsOfTheOutermostDimension(_ shape: [Int], _ rows: Int, _ columns: Int) {
    let geometry = MatrixGeometry(dtype: .f32, shape: Shape(shape))
    #expect(geometry.rows == rows)
    #expect(geometry.columns == columns)
    #expect(geometry.cellByteCount == 4)
    #expect(geometry.rowByteCount == 4 * columns)
    #expect(geometry.whole.cellCount == rows * columns)
  }

  @Test func seesPackedTensorsAsOneColumnOfBlocks() {
    let geometry = MatrixGeometry(dtype: .f6e2m3, shape: [3, 4, 5])
    #expect(geometry.rows == 15 && geometry.columns == 1 && geometry.cellByteCount == 3)
    let four = MatrixGeometry(dtype: .f4, shape: [3, 2])
    #expect(four.rows == 3 && four.columns == 1 && four.cellByteCount == 1)
  }

  @Test func exchangesRowsAndColumnsOfRegions() {
    let region = MatrixRegion(rows: 1..<4, columns: 10..<12)
    #expect(region.cellCount == 6)
    #expect(region.transposed == MatrixRegion(rows: 10..<12, columns: 1..<4))
  }
}
