import FileContainers
import Synchronization
import TensorModel

/// Reads each stored tensor once, for several results that are made of it: it stays in memory as long as the reader does.
///
/// Tensors that there is no room for are read each time.
final class SharedReader: CheckpointReader {
  private let reader: any CheckpointReader
  private let tensors: Mutex<[Int: StoredTensor]> = Mutex([:])
  private let room: Mutex<Int>

  /// The bytes of a tensor, once they are there.
  private final class StoredTensor: Sendable {
    let pages = Mutex<Pages?>(nil)
  }

  /// A reader over another one.
  ///
  /// - Parameters:
  ///   - reader: of a checkpoint.
  ///   - memory: for tensors, in bytes.
  init(_ reader: any CheckpointReader, memory: Int) {
    self.reader = reader
    room = Mutex(memory)
  }

  var checkpoint: Checkpoint { reader.checkpoint }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let tensor = checkpoint.tensors[position]
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    guard let pages = try pages(position, geometry) else {
      return try reader.read(position, region, into: destination)
    }
    let cell = geometry.cellByteCount
    for row in 0..<region.rows.count {
      let start = (region.rows.lowerBound + row) * geometry.rowByteCount
      destination.advanced(rows: row).base.copyMemory(
        from: pages.base + start + region.columns.lowerBound * cell,
        byteCount: region.columns.count * cell)
    }
  }

  /// All bytes of a tensor, read by the first who asks; nil where there is no room.
  private func pages(
    _ position: Int, _ geometry: MatrixGeometry
  ) throws(CheckpointError) -> Pages? {
    let byteCount = geometry.rows * geometry.rowByteCount
    guard byteCount > 0 else { return nil }
    let held = tensors.withLock { tensors -> StoredTensor? in
      if let tensor = tensors[position] { return tensor }
      let hasRoom = room.withLock { room in
        guard byteCount <= room else { return false }
        room -= byteCount
        return true
      }
      guard hasRoom else { return nil }
      let tensor = StoredTensor()
      tensors[position] = tensor
      return tensor
    }
    guard let held else { return nil }
    return try held.pages.withLock { (pages) throws(CheckpointError) -> Pages in
      if let pages { return pages }
      let read = try Pages(byteCount: byteCount)
      try reader.read(
        position, geometry.whole,
        into: MatrixBuffer(base: read.base, rowStride: geometry.rowByteCount))
      pages = read
      return read
    }
  }

  func confirm(_ position: Int) throws(CheckpointError) { try reader.confirm(position) }

  func confirmUnlisted() throws(CheckpointError) { try reader.confirmUnlisted() }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    try reader.canonicalTensors()
  }

  func contentFindings() throws(CheckpointError) -> [Finding] { try reader.contentFindings() }

  func makeHuggingFaceConfiguration() throws(CheckpointError) -> [UInt8]? {
    try reader.makeHuggingFaceConfiguration()
  }
}
