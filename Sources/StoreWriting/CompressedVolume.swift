import CTensorKernels
public import CheckpointFormats
import HDF5Files
import Synchronization
public import TensorModel

/// A volume whose tensors are compressed in chunks.
///
/// Chunks are encoded by several threads at once, outside of libhdf5, and written by one thread at a time in the order of the tensors and their
/// bytes: so equal stores have equal bytes.
public final class CompressedVolume: Sendable {
  private let volume: HDF5Volume
  private let datasets: [PlannedDataset]
  private let grids: [ChunkGrid]
  private let level: Int?
  private let state: Mutex<State>
  private let idle = Mutex<[Idle]>([])

  private struct State {
    var open: [Int: HDF5Volume.Dataset] = [:]
    var chunks: [[StoredChunk]]
  }

  /// `@unchecked Sendable`: an encoder is either idle or with the one thread that took it out.
  private struct Idle: @unchecked Sendable {
    let encoder: ChunkEncoder
  }

  /// Creates a volume that must not exist yet.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - datasets: in the order in which they are going to be written.
  ///   - level: of zstd; nil for what suits each chunk best.
  /// - Throws: `noSpace` or `inputOutput`.
  public init(
    creating path: String, _ datasets: [PlannedDataset], level: Int?
  ) throws(CheckpointError) {
    self.datasets = datasets
    self.level = level
    grids = datasets.map(\.grid)
    volume = try HDF5Volume(
      creating: path, hasSmallIndexes: datasets.contains { $0.base != nil })
    state = Mutex(State(chunks: Array(repeating: [], count: datasets.count)))
  }

  /// Encodes consecutive whole chunks of a tensor.
  ///
  /// Several threads may do that at once.
  ///
  /// - Parameters:
  ///   - bytes: of the tensor, or of its differences, beginning and ending with a chunk.
  ///   - byteOffset: where in the tensor they begin.
  ///   - tensor: its place among the datasets.
  /// - Returns: the encoded chunks; nil for a tensor that is stored as it is.
  /// - Throws: `inputOutput` without memory.
  public func encode(
    _ bytes: UnsafeRawBufferPointer, at byteOffset: Int, of tensor: Int
  ) throws(CheckpointError) -> EncodedChunks? {
    let dataset = datasets[tensor]
    guard case .chunked(_, let filters) = dataset.encoding, !bytes.isEmpty else { return nil }
    let grid = grids[tensor]
    let encoder = try takeEncoder()
    defer { idle.withLock { $0.append(encoder) } }
    let end = byteOffset + bytes.count
    let last = grid.index(ofByte: end - 1)
    var index = grid.index(ofByte: byteOffset)
    let output = try EncodedChunks(byteCount: (last - index + 1) * grid.chunkByteCount)
    while index <= last {
      let range = grid.byteRange(of: index)
      let chunk = UnsafeRawBufferPointer(
        rebasing: bytes[range.lowerBound - byteOffset..<range.upperBound - byteOffset])
      if dataset.base != nil, wb_is_zero(chunk.baseAddress, chunk.count) {
        output.appendAbsent(index: index)
      } else {
        try encoder.encoder.encode(
          index, chunk, grid, filters, isDifference: dataset.base != nil, output)
      }
      index += 1
    }
    return output
  }

  /// Takes chunks as another store has them.
  ///
  /// - Parameters:
  ///   - range: of the tensor's bytes, beginning and ending with a chunk.
  ///   - tensor: its place among the datasets.
  ///   - reader: of the other store, whose chunks are cut and filtered in the same way.
  ///   - position: the tensor's place there.
  /// - Returns: the chunks.
  /// - Throws: `corrupt` or `inputOutput`.
  public func copy(
    _ range: Range<Int>, of tensor: Int, from reader: StoreReader, _ position: Int
  ) throws(CheckpointError) -> EncodedChunks? {
    guard !range.isEmpty else { return nil }
    let indices =
      grids[tensor].index(
        ofByte: range.lowerBound)...grids[tensor].index(
        ofByte: range.upperBound - 1)
    let chunks = reader.tensors[position].chunks
    let output = try EncodedChunks(byteCount: indices.reduce(0) { $0 + chunks[$1].byteCount })
    for index in indices {
      guard let base = output.rest.baseAddress else { continue }
      try reader.readStored(position, index, into: base)
      output.append(
        index: index, byteCount: chunks[index].byteCount, filterMask: chunks[index].filterMask)
    }
    return output
  }

  private func takeEncoder() throws(CheckpointError) -> Idle {
    if let idle = idle.withLock({ $0.popLast() }) { return idle }
    let largest = grids.map(\.chunkByteCount).max() ?? 0
    return Idle(
      encoder: try ChunkEncoder(
        level: level, chunkByteCount: largest,
        hasDifferences: datasets.contains { $0.base != nil }))
  }

  /// Writes what `encode` or `copy` gave.
  ///
  /// To be called in the order of the tensors and their bytes.
  ///
  /// - Parameters:
  ///   - encoded: nil for a tensor that is stored as it is.
  ///   - bytes: the tensor's own, all of it, where it is stored as it is.
  ///   - tensor: its place among the datasets.
  /// - Throws: `noSpace` or `inputOutput`.
  public func write(
    _ encoded: EncodedChunks?, _ bytes: UnsafeRawBufferPointer, of tensor: Int
  ) throws(CheckpointError) {
    let dataset = try dataset(tensor)
    var stored: [StoredChunk] = []
    if let encoded {
      for chunk in encoded.chunks {
        if chunk.bytes.isEmpty {
          stored.append(.absent)
          continue
        }
        let offset = try volume.writeChunk(
          at: grids[tensor].start(of: chunk.index), chunk.bytes,
          skippedFilters: UInt32(chunk.filterMask), in: dataset)
        stored.append(
          StoredChunk(
            byteOffset: offset, byteCount: chunk.bytes.count, filterMask: chunk.filterMask,
            checksum: chunk.checksum))
      }
    } else if !bytes.isEmpty, let offset = try volume.byteOffset(of: dataset) {
      try volume.writeContiguous(bytes, in: dataset)
      stored.append(StoredChunk(contiguous: bytes, at: offset))
    }
    state.withLock { [stored] in $0.chunks[tensor] += stored }
  }

  private func dataset(_ tensor: Int) throws(CheckpointError) -> HDF5Volume.Dataset {
    if let open = state.withLock({ $0.open[tensor] }) { return open }
    let dataset = try volume.createDataset(datasets[tensor])
    state.withLock { $0.open[tensor] = dataset }
    return dataset
  }

  /// Lets go of a tensor that is complete.
  public func finish(_ tensor: Int) { state.withLock { $0.open[tensor] = nil } }

  /// Completes the file and makes it durable.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func close() throws(CheckpointError) -> FinishedVolume {
    state.withLock { $0.open = [:] }
    try volume.close()
    return try FinishedVolume(syncing: volume.output, state.withLock { $0.chunks })
  }
}
