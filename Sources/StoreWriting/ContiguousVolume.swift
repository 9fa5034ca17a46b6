import CTensorKernels
import CheckpointFormats
public import FileContainers
import HDF5Files
import Synchronization
public import TensorModel

/// A volume whose tensors lie in one piece each, where they can be used in place.
///
/// libhdf5 lays the file out; the tensors are then written to their places by several threads at once.
public final class ContiguousVolume: Sendable {
  private let file: OutputFile
  private let grids: [ChunkGrid]
  private let offsets: [Int]
  private let chunks: Mutex<[[StoredChunk?]]>

  /// Creates a volume that must not exist yet, with room for its tensors.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - datasets: in the order in which they are to lie in the file.
  /// - Throws: `noSpace` or `inputOutput`.
  public init(creating path: String, _ datasets: [PlannedDataset]) throws(CheckpointError) {
    let volume = try HDF5Volume(creating: path, alignsPages: true)
    var offsets: [Int] = []
    for dataset in datasets {
      offsets.append(try volume.byteOffset(of: volume.createDataset(dataset)) ?? 0)
    }
    try volume.close()
    file = volume.output
    try file.reserve(byteCount: InputFile(path: path).byteCount)
    let grids = datasets.map(\.grid)
    self.grids = grids
    self.offsets = offsets
    chunks = Mutex(grids.map { Array(repeating: nil, count: $0.count) })
  }

  /// Writes consecutive whole pieces of a tensor, as `OutputFile.append` does.
  ///
  /// - Parameters:
  ///   - bytes: of the tensor, beginning and ending with one of its grid's pieces.
  ///   - byteOffset: where in the tensor they begin.
  ///   - tensor: its place among the datasets.
  ///   - region: where the same bytes lie in another file; nil if they don't.
  ///   - waiting: whether to wait for another thread that is writing.
  /// - Returns: whether the bytes were written.
  /// - Throws: `noSpace` or `inputOutput`.
  public func append(
    _ bytes: UnsafeRawBufferPointer, at byteOffset: Int, of tensor: Int,
    sharing region: FileRegion?,
    waiting: Bool
  ) throws(CheckpointError) -> Bool {
    guard !bytes.isEmpty else { return true }
    let offset = offsets[tensor]
    let isWritten = try file.append(
      at: offset + byteOffset, bytes, sharing: region, waiting: waiting)
    guard isWritten else { return false }
    let grid = grids[tensor]
    var stored: [(Int, StoredChunk)] = []
    var position = byteOffset
    while position < byteOffset + bytes.count {
      let index = grid.index(ofByte: position)
      let range = grid.byteRange(of: index)
      let piece = UnsafeRawBufferPointer(
        rebasing: bytes[range.lowerBound - byteOffset..<range.upperBound - byteOffset])
      stored.append((index, StoredChunk(contiguous: piece, at: offset + range.lowerBound)))
      position = range.upperBound
    }
    chunks.withLock { [stored] in for (index, chunk) in stored { $0[tensor][index] = chunk } }
    return true
  }

  /// Completes the file and makes it durable.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func close() throws(CheckpointError) -> FinishedVolume {
    try FinishedVolume(syncing: file, chunks.withLock { $0.map { $0.compactMap { $0 } } })
  }
}

extension StoredChunk {
  /// A run of bytes that is stored as it is.
  init(contiguous bytes: UnsafeRawBufferPointer, at byteOffset: Int) {
    self.init(
      byteOffset: byteOffset, byteCount: bytes.count, filterMask: 0,
      checksum: wb_crc32(0, bytes.baseAddress, bytes.count))
  }
}
