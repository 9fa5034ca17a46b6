import FileContainers
import TensorModel

/// Compresses chunks, each in the way that suits its bytes; used by one thread at a time.
///
/// Weights have no repetitions worth searching for, positions, masks, sines and copied rows have. Which a chunk is shows in a sample of it: where
/// a search helps there, the whole chunk is searched as well, and the smaller frame is kept. Only the chunk's bytes decide. Differences to a base have many
/// zeros; whether these are best found as runs or by the code shows in a sample, too.
final class ChunkCompressor {
  /// What the sample has at most: less than a hundredth of a large chunk.
  static let sampleByteCount = 16 << 10
  /// What searches a sample, quickly, and what searches a chunk.
  static let (sampleLevel, chunkLevel) = (1, 3)

  private let fixed: ZstdChunkEncoder
  private let search: Search?
  private let runs: ZstdChunkEncoder?

  private struct Search {
    let sample: ZstdChunkEncoder
    let chunk: ZstdChunkEncoder
    let frame: ScratchArena
    let pieces: ScratchArena
  }

  /// A compressor.
  ///
  /// - Parameters:
  ///   - level: of zstd, for every chunk; nil for what suits each.
  ///   - chunkByteCount: of the largest chunk.
  ///   - isOfDifferences: whether chunks are differences to a base.
  /// - Throws: `usage` for a level that libzstd doesn't have, `inputOutput` without memory.
  init(
    level: Int?, chunkByteCount: Int, ofDifferences isOfDifferences: Bool = false
  ) throws(CheckpointError) {
    runs = level == nil && isOfDifferences ? try ZstdChunkEncoder(.entropyAndRuns) : nil
    guard level == nil else {
      fixed = try ZstdChunkEncoder(level.map { .level($0) } ?? .entropyOnly)
      search = nil
      return
    }
    fixed = try ZstdChunkEncoder(.entropyOnly)
    search = Search(
      sample: try ZstdChunkEncoder(.level(Self.sampleLevel)),
      chunk: try ZstdChunkEncoder(.level(Self.chunkLevel)),
      frame: try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount)),
      pieces: try ScratchArena(byteCount: 2 * ScratchArena.rounded(Self.sampleByteCount)))
  }

  /// Compresses a chunk.
  ///
  /// - Parameters:
  ///   - chunk: as it is going to be stored but for this.
  ///   - planes: of how many equal runs of bytes it consists: 1, or as many as an element has bytes after the shuffle.
  ///   - room: for the frame, less than the chunk has.
  /// - Returns: the frame's size, nil if there is not enough room.
  /// - Throws: `inputOutput` without memory.
  func compress(
    _ chunk: UnsafeRawBufferPointer, planes: Int, into room: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) -> Int? {
    let plane = chunk.count / planes
    guard let search else { return try fixed.encode(chunk, into: room, runByteCount: plane) }
    let choice = try choice(chunk, planes, search)
    let byteCount = try choice.coder.encode(chunk, into: room, runByteCount: plane)
    guard choice.searches else { return byteCount }
    return try search.frame.withPiece(byteCount: room.count) { (piece) throws(CheckpointError) in
      let frame = UnsafeMutableRawBufferPointer(start: piece, count: room.count)
      let searched = try search.chunk.encode(chunk, into: frame, runByteCount: plane)
      guard let searched, searched < byteCount ?? .max else { return byteCount }
      room.copyMemory(from: UnsafeRawBufferPointer(rebasing: frame[..<searched]))
      return searched
    }
  }

  /// What suits a sample: as many bytes from the middle of each plane; and whether a search makes that smaller by a sixteenth.
  private func choice(
    _ chunk: UnsafeRawBufferPointer, _ planes: Int, _ search: Search
  ) throws(CheckpointError) -> (coder: ZstdChunkEncoder, searches: Bool) {
    let plane = chunk.count / planes
    let run = min(plane, Self.sampleByteCount / planes)
    let count = run * planes
    return try search.pieces.withPiece(byteCount: count) {
      (piece) throws(CheckpointError) -> (coder: ZstdChunkEncoder, searches: Bool) in
      let sample = UnsafeMutableRawBufferPointer(start: piece, count: count)
      for number in 0..<planes {
        let start = number * plane + (plane - run) / 2
        UnsafeMutableRawBufferPointer(rebasing: sample[(number * run)...])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: chunk[start..<start + run]))
      }
      return try search.pieces.withPiece(byteCount: count) {
        (piece) throws(CheckpointError) -> (coder: ZstdChunkEncoder, searches: Bool) in
        let frame = UnsafeMutableRawBufferPointer(start: piece, count: count)
        let source = UnsafeRawBufferPointer(sample)
        guard let runs else {
          guard let searched = try search.sample.encode(source, into: frame) else {
            return (fixed, false)
          }
          let coded = try fixed.encode(source, into: frame) ?? count
          return (fixed, searched < coded / 16 * 15)
        }
        // Planes differ more than those of weights: each has blocks of its own here, too.
        let found = try runs.encode(source, into: frame, runByteCount: run) ?? count
        let coded = try fixed.encode(source, into: frame, runByteCount: run) ?? count
        let searched = try search.sample.encode(source, into: frame, runByteCount: run) ?? count
        return (found < coded ? runs : fixed, searched < min(found, coded) / 16 * 15)
      }
    }
  }
}
