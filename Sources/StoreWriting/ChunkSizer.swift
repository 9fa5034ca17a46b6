import CTensorKernels
import FileContainers
public import TensorModel

/// Says how large bytes become when they are stored, without storing them.
///
/// Used by one thread at a time.
public final class ChunkSizer {
  private let compressor: ChunkCompressor
  private let differenceCompressor: ChunkCompressor
  private let shuffled: ScratchArena
  private let frame: ScratchArena

  /// A sizer.
  ///
  /// - Parameters:
  ///   - level: of zstd, for every chunk; nil for what suits each.
  ///   - chunkByteCount: of the largest run of bytes.
  /// - Throws: `usage` for a level that libzstd doesn't have, `inputOutput` without memory.
  public init(level: Int?, chunkByteCount: Int) throws(CheckpointError) {
    compressor = try ChunkCompressor(level: level, chunkByteCount: chunkByteCount)
    differenceCompressor = try ChunkCompressor(
      level: level, chunkByteCount: chunkByteCount, ofDifferences: true)
    shuffled = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
    frame = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
  }

  /// Bytes that a run of elements takes as a chunk.
  ///
  /// - Parameters:
  ///   - bytes: of whole elements.
  ///   - elementByteCount: of one.
  ///   - isDifference: whether they are differences to a base.
  /// - Returns: no more than there are.
  /// - Throws: `inputOutput` without memory.
  public func byteCount(
    of bytes: UnsafeRawBufferPointer, elementByteCount: Int, isDifference: Bool
  ) throws(CheckpointError) -> Int {
    guard let base = bytes.baseAddress, bytes.count > 1 else { return bytes.count }
    return try shuffled.withPiece(byteCount: bytes.count) { (piece) throws(CheckpointError) in
      wb_shuffle(base, piece, bytes.count / elementByteCount, elementByteCount)
      return try frame.withPiece(byteCount: bytes.count) { (room) throws(CheckpointError) in
        try (isDifference ? differenceCompressor : compressor).compress(
          UnsafeRawBufferPointer(start: piece, count: bytes.count), planes: elementByteCount,
          into: UnsafeMutableRawBufferPointer(start: room, count: bytes.count - 1))
          ?? bytes.count
      }
    }
  }
}
