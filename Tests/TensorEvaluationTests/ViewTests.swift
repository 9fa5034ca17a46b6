import FileContainers
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// The bytes of rows as those of another dtype.
@Suite struct ViewTests {
  private static let bytes = (0..<3 * 24).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) }

  private static func reader() throws -> MemoryReader {
    try MemoryReader([
      (name: "words", type: TensorType(.u32, [3, 6]), bytes: bytes),
      (name: "bytes", type: TensorType(.u8, [3, 24]), bytes: bytes),
      (name: "vector", type: TensorType(.u8, [4]), bytes: [1, 2, 3, 4]),
    ])
  }

  @Test(arguments: [
    ("words", TensorType(.u8, [3, 24])), ("words", TensorType(.f16, [3, 12])),
    ("bytes", TensorType(.i32, [3, 6])), ("bytes", TensorType(.f8e4m3, [3, 24])),
    ("bytes", TensorType(.f64, [3, 3])),
  ])
  func bytesStay(_ name: String, _ type: TensorType) throws {
    let reader = try Self.reader()
    let view = TensorExpression.view(.stored(name), type)
    #expect(try evaluate(view, reader).bytes == Self.bytes)
    let cell = type.dtype.blockByteCount
    let columns = type.shape.dimensions[1]
    for first in 0..<columns {
      for end in first + 1...columns {
        let region = MatrixRegion(rows: 1..<3, columns: first..<end)
        var expected: [UInt8] = []
        for row in 1..<3 {
          let start = row * 24
          expected += Self.bytes[start + first * cell..<start + end * cell]
        }
        #expect(try evaluate(view, reader, region, slack: 5).bytes == expected)
      }
    }
    #expect(try TensorExpression(parsing: view.description, sources: [name]) == view)
    #expect(view.isRepacked && !TensorExpression.cast(view, .f32).isRepacked)
  }

  @Test func rowsStayRows() throws {
    let reader = try Self.reader()
    for (name, type) in [
      ("words", TensorType(.u8, [6, 12])), ("words", TensorType(.u8, [3, 23])),
      ("words", TensorType(.q8_0, [3, 24])), ("vector", TensorType(.u32, [1])),
      ("vector", TensorType(.u32, [1, 1])),
    ] {
      #expect(throws: CheckpointError.self) {
        try CompiledExpression(.view(.stored(name), type), in: reader.checkpoint)
      }
    }
  }
}
