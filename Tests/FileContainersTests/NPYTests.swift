import FileContainers
import TensorModel
import TestSupport
import Testing

/// A version 1.0 file with this header text, padded and ended as numpy does, and data.
private func npy(_ text: String, _ data: [UInt8] = [], version: UInt8 = 1) -> [UInt8] {
  let padding = 63 - (10 + text.utf8.count) % 64
  let body = Array((text + String(repeating: " ", count: padding) + "\n").utf8)
  let length =
    version == 1 ? UInt16(body.count).littleEndianBytes : UInt32(body.count).littleEndianBytes
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + body + data
}

private func dictionary(_ descriptor: String, _ shape: String, fortran: Bool = false) -> String {
  "{'descr': \(descriptor), 'fortran_order': \(fortran ? "True" : "False"), 'shape': \(shape), }"
}

@Suite struct NPYTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  @Test(arguments: [
    ("'<f4'", DType.f32, false), ("'=f4'", .f32, false), ("'>f4'", .f32, true),
    ("\"<f2\"", .f16, false), ("'>f8'", .f64, true), ("'<V2'", .bf16, false),
    ("'|V2'", .bf16, false), ("'=V2'", .bf16, false), ("'|b1'", .bool, false),
    ("'|u1'", .u8, false), ("'<u1'", .u8, false), ("'>i1'", .i8, false), ("'<u2'", .u16, false),
    ("'>i2'", .i16, true), ("'<u4'", .u32, false), ("'<i4'", .i32, false), ("'<u8'", .u64, false),
    ("'>i8'", .i64, true), ("'<c8'", .c64, false), ("'>c8'", .c64, true),
  ])
  func knowsTheElementTypesOfNumpy(_ text: String, _ dtype: DType, _ isBigEndian: Bool) throws {
    let header = try NPYHeader(parsing: npy(dictionary(text, "(2, 3)")))
    #expect(header.dtype == dtype)
    #expect(header.isBigEndian == isBigEndian)
    #expect(header.shape == [2, 3])
    #expect(header.dataOffset == 128)
  }

  @Test(arguments: [
    "'|O'", "'O'", "'<U5'", "'|S3'", "'<M8[ns]'", "'<m8[s]'", "'>V2'", "'|V1'", "'|V4'", "'<f16'",
    "'<c16'", "'|f4'", "'f4'", "'<f3'", "''", "'<'", "'<f44'", "[('a', '<f4')]", "('<f4', (2,))",
    "'<b2'", "'<u3'",
  ])
  func refusesOtherElementTypesWithAHint(_ text: String) {
    let error = #expect(throws: CheckpointError.self) {
      try NPYHeader(parsing: npy(dictionary(text, "(2,)")))
    }
    #expect(error?.code == .unsupported)
    #expect(error?.hint != nil)
    #expect(error?.byteOffset == 20)
  }

  @Test(arguments: [
    ("()", []), ("(3,)", [3]), ("(2,3)", [2, 3]), ("( 2 , 3 , )", [2, 3]), ("(0, 4)", [0, 4]),
  ])
  func readsShapes(_ text: String, _ dimensions: [Int]) throws {
    let header = try NPYHeader(parsing: npy(dictionary("'<f4'", text)))
    #expect(header.shape.dimensions == dimensions)
  }

  @Test(arguments: [
    "(3)", "[2, 3]", "(-1,)", "(2L,)", "(02,)", "(2,,3)", "(,)", "(1e3,)", "(2*3,)", "(+1,)", "3",
    "(9223372036854775808,)", "(4294967296, 4294967296)", "(2 3)", "(2", "((2,),)", "(2.0,)",
    "(1_0,)", "None", "(True,)",
  ])
  func refusesShapesThatAreNoTuplesOfNumbers(_ text: String) {
    #expect(throws: CheckpointError.self) {
      try NPYHeader(parsing: npy(dictionary("'<f4'", text)))
    }
  }

  @Test(arguments: [
    "{}", "", "{'descr': '<f4', 'fortran_order': False}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
    "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
    "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
    "{'descr': '<f4', 'fortran_order': false, 'shape': (1,)}",
    "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)},",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
    "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}",
    "{,'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
    "dict(descr='<f4', fortran_order=False, shape=(1,))",
  ])
  func refusesHeadersThatNumpyDoesNotWrite(_ text: String) {
    #expect(throws: CheckpointError.self) { try NPYHeader(parsing: npy(text)) }
  }

  @Test func takesKeysInAnyOrderAndEitherQuotes() throws {
    let text = "{\"shape\":(1,), \"fortran_order\": True, 'descr': \"<f4\"}"
    #expect(try NPYHeader(parsing: npy(text)).isFortranOrder)
  }

  @Test(arguments: [2, 3] as [UInt8]) func readsLaterVersions(_ version: UInt8) throws {
    let bytes = npy(dictionary("'<f4'", "(2,)"), version: version)
    #expect(try NPYHeader.byteCount(startingWith: Array(bytes.prefix(12))) == bytes.count)
    #expect(try NPYHeader(parsing: bytes).shape == [2])
  }

  @Test func refusesUnknownVersionsAndLongHeaders() {
    #expect(throws: CheckpointError.self) {
      try NPYHeader(parsing: npy(dictionary("'<f4'", "(2,)"), version: 4))
    }
    let long = dictionary("'<f4'", "(2,)") + String(repeating: " ", count: 10_000)
    #expect(throws: CheckpointError.self) { try NPYHeader(parsing: npy(long)) }
  }

  @Test func refusesEveryTruncation() throws {
    let bytes = npy(dictionary("'<f4'", "(2, 3)"), [UInt8](repeating: 1, count: 24))
    for count in 0..<bytes.count {
      #expect(throws: CheckpointError.self) {
        try NPYArray(scratch.region(Array(bytes.prefix(count))))
      }
    }
    #expect(throws: CheckpointError.self) { try NPYArray(scratch.region(bytes + [0])) }
  }

  /// Lengths of the headers that numpy 2.4.6 writes for `<f4` arrays of shape `(1,) * rank`.
  @Test(arguments: 0...32) func writesHeadersAsLongAsNumpys(rank: Int) throws {
    let header = try NPYHeader(dtype: .f32, shape: Shape([Int](repeating: 1, count: rank)))
    #expect(header.bytes.count == (rank < 15 ? 128 : 192))
    #expect(try NPYHeader(parsing: header.bytes) == header)
  }

  @Test func writesHeadersAsNumpyDoes() throws {
    let header = try NPYHeader(dtype: .bf16, shape: [65, 32])
    let text = "{'descr': '<V2', 'fortran_order': False, 'shape': (65, 32), }"
    #expect(header.bytes == npy(text))
    #expect(header.dataOffset == 128)
    #expect(throws: CheckpointError.self) { try NPYHeader(dtype: .f8e4m3, shape: [1]) }
  }

  /// The bytes of an array whose element with row-major index n is made of the bytes of n, in some stored order.
  private func stored(
    _ dtype: DType, _ dimensions: [Int], fortran: Bool, bigEndian: Bool
  ) -> [UInt8] {
    let size = dtype.blockByteCount
    let count = dimensions.reduce(1, *)
    var data = [UInt8](repeating: 0, count: count * size)
    for index in 0..<count {
      var rest = index
      var position = 0
      var weight = count
      for extent in dimensions.reversed() {
        weight /= extent
        position += rest % extent * weight
        rest /= extent
      }
      let half = dtype == .c64 ? 4 : size
      let bytes = (0..<size).map { UInt8(truncatingIfNeeded: (index + 1) &* (2 * $0 + 3)) }
      for byte in 0..<size {
        let source = bigEndian ? byte / half * half + half - 1 - byte % half : byte
        data[(fortran ? position : index) * size + byte] = bytes[source]
      }
    }
    return data
  }

  @Test(
    arguments: [DType.u8, .bf16, .f32, .f64, .c64],
    [[7], [5, 9], [300, 40], [40, 1000], [3, 4, 5], [2, 3, 4, 5], [1, 6], [6, 1]])
  func readsRegionsOfAnyStoredOrder(_ dtype: DType, _ dimensions: [Int]) throws {
    let kind: [DType: String] = [.u8: "u1", .bf16: "V2", .f32: "f4", .f64: "f8", .c64: "c8"]
    let shape =
      dimensions.count == 1
      ? "(\(dimensions[0]),)" : "(\(dimensions.map(String.init).joined(separator: ", ")))"
    let expected = stored(dtype, dimensions, fortran: false, bigEndian: false)
    let geometry = MatrixGeometry(dtype: dtype, shape: Shape(dimensions))
    var random = FixedRandom(seed: 2)
    for fortran in [false, true] {
      for bigEndian in dtype == .bf16 ? [false] : [false, true] {
        let text = dictionary(
          "'\(bigEndian ? ">" : "<")\(kind[dtype] ?? "")'", shape, fortran: fortran)
        let data = stored(dtype, dimensions, fortran: fortran, bigEndian: bigEndian)
        let array = try NPYArray(scratch.region(npy(text, data)))
        for trial in 0..<8 {
          let region = trial == 0 ? geometry.whole : part(of: geometry, &random)
          let read = try read(array, region, padding: trial % 2 * 24)
          #expect(read == cells(of: expected, geometry, region))
        }
      }
    }
  }

  private func part(of geometry: MatrixGeometry, _ random: inout FixedRandom) -> MatrixRegion {
    func range(_ count: Int) -> Range<Int> {
      let ends = (0..<2).map { _ in Int.random(in: 0...count, using: &random) }.sorted()
      return ends[0]..<ends[1]
    }
    return MatrixRegion(rows: range(geometry.rows), columns: range(geometry.columns))
  }

  private func cells(
    of bytes: [UInt8], _ geometry: MatrixGeometry, _ region: MatrixRegion
  ) -> [UInt8] {
    region.rows.flatMap { row in
      let start = row * geometry.rowByteCount
      let cell = geometry.cellByteCount
      return bytes[
        start + region.columns.lowerBound * cell..<start + region.columns.upperBound * cell]
    }
  }

  private func read(
    _ array: NPYArray, _ region: MatrixRegion, padding: Int
  ) throws -> [UInt8] {
    let run = region.columns.count * array.geometry.cellByteCount
    let rowStride = (run + 7) / 8 * 8 + padding
    let dense = padding == 0 ? run : rowStride
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: region.rows.count * dense + 1, alignment: 64)
    defer { memory.deallocate() }
    let base = try #require(memory.baseAddress)
    try array.read(region, into: MatrixBuffer(base: base, rowStride: dense))
    return (0..<region.rows.count).flatMap { memory[$0 * dense..<$0 * dense + run] }
  }

  @Test func damagedHeadersNeverCrash() throws {
    let bytes = npy(dictionary("'<f4'", "(2, 3)"), [UInt8](repeating: 1, count: 24))
    var random = FixedRandom(seed: 3)
    for _ in 0..<2000 { _ = try? NPYHeader(parsing: random.damaged(bytes)) }
  }
}
