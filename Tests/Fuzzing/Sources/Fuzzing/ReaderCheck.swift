public import TensorModel

/// What holds for every checkpoint that opens, whatever it was made of.
public enum ReaderCheck {
  /// So many bytes of each tensor are read at once at most.
  private static let pieceByteCount = 1 << 20
  /// So many bytes of tensors are read in all; deflated and compressed ones can have thousands of times the file's size.
  private static let totalByteCount = 8 << 20

  /// Compares the catalogue with itself, and reads its tensors.
  ///
  /// - Throws: the first error that reading gave, after all other tensors were read.
  public static func use(_ reader: any CheckpointReader) throws(CheckpointError) {
    let checkpoint = reader.checkpoint
    for (position, tensor) in checkpoint.tensors.enumerated() {
      expect(checkpoint.position(of: tensor.name) == position)
      expect(
        tensor.dtype.byteCount(elementCount: tensor.shape.elementCount) == tensor.byteCount)
    }
    for finding in checkpoint.findings { expect(!finding.message.isEmpty) }
    var failure: CheckpointError?
    var rest = totalByteCount
    for position in checkpoint.tensors.indices {
      do throws(CheckpointError) {
        rest -= try read(position, of: reader, atMost: rest)
      } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
    try checkNames(of: reader)
    _ = try reader.contentFindings()
  }

  private static func checkNames(of reader: any CheckpointReader) throws(CheckpointError) {
    for tensor in try reader.canonicalTensors() {
      let type = try tensor.expression.type { reader.checkpoint.type(of: $0) }
      expect(type.shape == tensor.shape)
    }
    _ = try reader.makeHuggingFaceConfiguration()
  }

  /// Reads a tensor from its beginning, and one region of it for comparison.
  ///
  /// - Returns: how many bytes it read.
  private static func read(
    _ position: Int, of reader: any CheckpointReader, atMost limit: Int
  ) throws(CheckpointError) -> Int {
    let tensor = reader.checkpoint.tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    guard tensor.byteCount > 0 else { return 0 }
    expect(geometry.rows * geometry.rowByteCount == tensor.byteCount)
    guard geometry.rowByteCount <= min(limit, pieceByteCount) else { return 0 }
    let step = pieceByteCount / geometry.rowByteCount
    let end = min(geometry.rows, max(1, limit / geometry.rowByteCount))
    for first in stride(from: 0, to: end, by: step) {
      let rows = first..<min(first + step, end)
      let all = try bytes(
        MatrixRegion(rows: rows, columns: 0..<geometry.columns), position, reader, geometry)
      let inner = MatrixRegion(
        rows: first + rows.count / 3..<rows.upperBound,
        columns: geometry.columns / 2..<geometry.columns)
      let part = try bytes(inner, position, reader, geometry)
      let start = inner.columns.lowerBound * geometry.cellByteCount
      var index = 0
      for row in inner.rows {
        let line = (row - first) * geometry.rowByteCount + start
        let count = inner.columns.count * geometry.cellByteCount
        expect(part[index..<index + count] == all[line..<line + count])
        index += count
      }
    }
    try reader.confirm(position)
    return end * geometry.rowByteCount
  }

  /// The bytes of a region, which must be written from the first to the last and nowhere else.
  private static func bytes(
    _ region: MatrixRegion, _ position: Int, _ reader: any CheckpointReader,
    _ geometry: MatrixGeometry
  ) throws(CheckpointError) -> [UInt8] {
    let margin = 64
    let stride = region.columns.count * geometry.cellByteCount
    let count = region.rows.count * stride
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: count + 2 * margin, alignment: 64)
    defer { room.deallocate() }
    _ = room.initializeMemory(as: UInt8.self, repeating: 0xa5)
    guard let base = room.baseAddress else { return [] }
    try reader.read(position, region, into: MatrixBuffer(base: base + margin, rowStride: stride))
    expect(room.prefix(margin).allSatisfy { $0 == 0xa5 }, "written before the destination")
    expect(room.suffix(margin).allSatisfy { $0 == 0xa5 }, "written after the destination")
    return Array(room[margin..<margin + count])
  }
}
