import FileContainers
import TensorModel

/// A stored tensor's bytes from its first to its last, a piece at a time.
struct StoredRun {
  private let reader: any CheckpointReader
  private let position: Int
  private let geometry: MatrixGeometry

  /// Bytes that are read at once.
  private static let pieceByteCount = 256 << 10
  /// Bytes that are compared first.
  private static let beginningByteCount = 4 << 10

  /// Of a tensor of a checkpoint.
  init(_ reader: any CheckpointReader, _ position: Int) {
    self.reader = reader
    self.position = position
    let tensor = reader.checkpoint.tensors[position]
    geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
  }

  /// Reads all pieces, until one is enough.
  ///
  /// - Parameters:
  ///   - byteCount: of a piece; nil takes what is read fast.
  ///   - body: is given each piece; returns whether to go on.
  /// - Throws: what reading throws; `corrupt` if a checksum of the whole is wrong and all was read.
  func forEach(
    inPiecesOf byteCount: Int? = nil,
    _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Bool
  ) throws(CheckpointError) {
    let cells = max(1, (byteCount ?? Self.pieceByteCount) / geometry.cellByteCount)
    let columns = min(geometry.columns, cells)
    let rows = columns == geometry.columns ? max(1, cells / max(1, columns)) : 1
    let buffer = try Pages(byteCount: rows * columns * geometry.cellByteCount)
    defer { withExtendedLifetime(buffer) {} }
    for row in stride(from: 0, to: geometry.rows, by: rows) {
      for column in stride(from: 0, to: geometry.columns, by: max(1, columns)) {
        let region = MatrixRegion(
          rows: row..<min(row + rows, geometry.rows),
          columns: column..<min(column + columns, geometry.columns))
        let rowByteCount = region.columns.count * geometry.cellByteCount
        try reader.read(
          position, region, into: MatrixBuffer(base: buffer.base, rowStride: rowByteCount))
        let piece = UnsafeRawBufferPointer(
          rebasing: UnsafeRawBufferPointer(buffer.bytes)[..<(region.rows.count * rowByteCount)])
        if try !body(piece) { return }
      }
    }
    try reader.confirm(position)
  }

  /// Whether another tensor of the same type has the same bytes; reads no further than they agree.
  ///
  /// - Throws: what reading throws.
  func isEqual(to other: StoredRun) throws(CheckpointError) -> Bool {
    let theirs = RunIterator(other)
    var isEqual = true
    // As a rule the first values tell.
    try forEach(inPiecesOf: Self.beginningByteCount) { (piece) throws(CheckpointError) in
      isEqual = try theirs.matches(piece, at: 0)
      return false
    }
    guard isEqual else { return false }
    var row = 0
    try forEach { (piece) throws(CheckpointError) in
      isEqual = try theirs.matches(piece, at: row)
      row += piece.count
      return isEqual
    }
    return isEqual
  }

  /// Reads the same pieces of another tensor.
  private struct RunIterator {
    private let run: StoredRun

    init(_ run: StoredRun) { self.run = run }

    func matches(
      _ piece: UnsafeRawBufferPointer, at byteOffset: Int
    ) throws(CheckpointError) -> Bool {
      let geometry = run.geometry
      let first = byteOffset / geometry.cellByteCount
      let cells = piece.count / geometry.cellByteCount
      let (row, column) = first.quotientAndRemainder(dividingBy: geometry.columns)
      let isPartOfRow = cells < geometry.columns
      let region = MatrixRegion(
        rows: row..<row + (isPartOfRow ? 1 : cells / geometry.columns),
        columns: isPartOfRow ? column..<column + cells : 0..<geometry.columns)
      guard piece.count > 0 else { return true }
      let buffer = try Pages(byteCount: piece.count)
      defer { withExtendedLifetime(buffer) {} }
      try run.reader.read(
        run.position, region,
        into: MatrixBuffer(
          base: buffer.base, rowStride: region.columns.count * geometry.cellByteCount))
      return buffer.bytes.elementsEqual(piece)
    }
  }
}
