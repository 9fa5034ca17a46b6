import CTensorKernels
import CheckpointFormats
import FileContainers
import TensorModel

/// Chunks as they are going to be stored.
///
/// `@unchecked Sendable`: one thread fills it and writes it; it is handed on, never shared.
public final class EncodedChunks: @unchecked Sendable {
  private let pages: Pages
  private(set) var chunks: [Chunk] = []
  private var used = 0

  struct Chunk {
    let index: Int
    let bytes: UnsafeRawBufferPointer
    let filterMask: Int
    let checksum: UInt32
  }

  /// Room for so many bytes.
  ///
  /// - Throws: `inputOutput` without memory.
  init(byteCount: Int) throws(CheckpointError) { pages = try Pages(byteCount: byteCount) }

  /// Room for the next chunk.
  var rest: UnsafeMutableRawBufferPointer { .init(rebasing: pages.bytes[used...]) }

  func append(index: Int, byteCount: Int, filterMask: Int) {
    let bytes = UnsafeRawBufferPointer(rebasing: pages.bytes[used..<used + byteCount])
    chunks.append(
      Chunk(
        index: index, bytes: bytes, filterMask: filterMask,
        checksum: wb_crc32(0, bytes.baseAddress, byteCount)))
    used += byteCount
  }

  /// Takes in that a chunk is zero throughout, and needs no bytes.
  func appendAbsent(index: Int) {
    chunks.append(
      Chunk(
        index: index, bytes: UnsafeRawBufferPointer(start: nil, count: 0), filterMask: 0,
        checksum: 0))
  }

  func clear() {
    chunks.removeAll(keepingCapacity: true)
    used = 0
  }
}

/// Shuffles and compresses chunks.
///
/// Used by one thread at a time.
final class ChunkEncoder {
  private let compressor: ChunkCompressor
  private let differenceCompressor: ChunkCompressor?
  private let padded: ScratchArena
  private let shuffled: ScratchArena

  /// An encoder.
  ///
  /// - Parameters:
  ///   - level: of zstd, for every chunk; nil for what suits each.
  ///   - chunkByteCount: of the largest chunk.
  ///   - hasDifferences: whether some chunks are differences to a base.
  /// - Throws: `usage` for a level that libzstd doesn't have, `inputOutput` without memory.
  init(level: Int?, chunkByteCount: Int, hasDifferences: Bool) throws(CheckpointError) {
    differenceCompressor =
      hasDifferences
      ? try ChunkCompressor(level: level, chunkByteCount: chunkByteCount, ofDifferences: true)
      : nil
    compressor = try ChunkCompressor(level: level, chunkByteCount: chunkByteCount)
    padded = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
    shuffled = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
  }

  /// Encodes one chunk and appends it.
  ///
  /// - Parameters:
  ///   - index: the chunk's number in its tensor.
  ///   - bytes: of the tensor; a last chunk is filled up with zeros.
  ///   - grid: of the tensor.
  ///   - filters: what is to be done to it.
  ///   - isDifference: whether the bytes are differences to a base.
  ///   - output: takes the result; bytes that don't shrink are stored as they are.
  /// - Throws: `inputOutput` without memory.
  func encode(
    _ index: Int, _ bytes: UnsafeRawBufferPointer, _ grid: ChunkGrid,
    _ filters: [StoreManifest.Filter], isDifference: Bool, _ output: EncodedChunks
  ) throws(CheckpointError) {
    let compressor = isDifference ? differenceCompressor ?? compressor : compressor
    let size = grid.chunkByteCount
    guard bytes.count < size else {
      try encodeWhole(index, bytes, grid, filters, compressor, output)
      return
    }
    try padded.withPiece(byteCount: size) { (piece) throws(CheckpointError) in
      let whole = UnsafeMutableRawBufferPointer(start: piece, count: size)
      whole.copyMemory(from: bytes)
      (piece + bytes.count).initializeMemory(
        as: UInt8.self, repeating: 0, count: size - bytes.count)
      try encodeWhole(index, UnsafeRawBufferPointer(whole), grid, filters, compressor, output)
    }
  }

  private func encodeWhole(
    _ index: Int, _ bytes: UnsafeRawBufferPointer, _ grid: ChunkGrid,
    _ filters: [StoreManifest.Filter], _ compressor: ChunkCompressor, _ output: EncodedChunks
  ) throws(CheckpointError) {
    guard let base = bytes.baseAddress else { return }
    let target = output.rest
    // One byte less than the chunk has: what isn't smaller is no gain.
    let room = UnsafeMutableRawBufferPointer(rebasing: target[..<(bytes.count - 1)])
    var byteCount: Int?
    if filters.contains(.shuffle) {
      byteCount = try shuffled.withPiece(byteCount: bytes.count) {
        (piece) throws(CheckpointError) in
        wb_shuffle(base, piece, bytes.count / grid.elementByteCount, grid.elementByteCount)
        return try compressor.compress(
          UnsafeRawBufferPointer(start: piece, count: bytes.count),
          planes: grid.elementByteCount, into: room)
      }
    } else {
      byteCount = try compressor.compress(bytes, planes: 1, into: room)
    }
    if let byteCount {
      output.append(index: index, byteCount: byteCount, filterMask: 0)
    } else {
      target.copyMemory(from: bytes)
      output.append(
        index: index, byteCount: bytes.count, filterMask: 1 << filters.count - 1)
    }
  }
}
