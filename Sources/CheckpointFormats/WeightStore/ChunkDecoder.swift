import CTensorKernels
import FileContainers
import Synchronization
import TensorModel

/// What a chunk's bytes have to go through to become the tensor's.
struct ChunkCoding: Hashable, Sendable {
  /// The filters in the order of writing.
  let filters: [StoreManifest.Filter]
  /// Bytes of an element, for the shuffle.
  let elementByteCount: Int
}

/// Turns stored chunks into tensor bytes; memory is kept from chunk to chunk.
///
/// Used by one thread at a time.
final class ChunkDecoder {
  private let zstd: ZstdChunkDecoder
  private let stored: ScratchArena
  private let filtered: ScratchArena
  private let whole: ScratchArena

  /// A decoder for chunks of up to so many bytes.
  init(chunkByteCount: Int) throws(CheckpointError) {
    zstd = try ZstdChunkDecoder()
    stored = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
    filtered = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
    whole = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
  }

  /// Reads, checks and decodes a chunk.
  ///
  /// - Parameters:
  ///   - chunk: where it lies; not larger than the decoder was made for.
  ///   - volume: what it lies in.
  ///   - coding: of its tensor.
  ///   - decodedByteCount: of a whole chunk.
  ///   - target: the chunk's bytes; fewer than a whole chunk has where it reaches beyond the tensor.
  /// - Throws: `corrupt` or `inputOutput`.
  func decode(
    _ chunk: StoredChunk, in volume: FileRegion, _ coding: ChunkCoding, decodedByteCount: Int,
    into target: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    guard let base = target.baseAddress else { return }
    let isApplied = { (filter: StoreManifest.Filter) in
      coding.filters.firstIndex(of: filter).map { chunk.filterMask >> $0 & 1 == 0 } ?? false
    }
    let (isCompressed, isShuffled) = (isApplied(.zstd), isApplied(.shuffle))
    if !isCompressed && !isShuffled && target.count == chunk.byteCount {
      try chunk.read(in: volume, into: base)
      return
    }
    try stored.withPiece(byteCount: chunk.byteCount) { (piece) throws(CheckpointError) in
      try chunk.read(in: volume, into: piece)
      let bytes = UnsafeRawBufferPointer(start: piece, count: chunk.byteCount)
      // A last chunk is decoded whole, and its tensor's part taken.
      if target.count == decodedByteCount {
        try undo(bytes, isCompressed, isShuffled, coding, into: target)
        return
      }
      try whole.withPiece(byteCount: decodedByteCount) { (all) throws(CheckpointError) in
        try undo(
          bytes, isCompressed, isShuffled, coding,
          into: UnsafeMutableRawBufferPointer(start: all, count: decodedByteCount))
        base.copyMemory(from: all, byteCount: target.count)
      }
    }
  }

  private func undo(
    _ stored: UnsafeRawBufferPointer, _ isCompressed: Bool, _ isShuffled: Bool,
    _ coding: ChunkCoding, into target: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    guard let base = target.baseAddress, let source = stored.baseAddress else { return }
    let size = coding.elementByteCount
    switch (isCompressed, isShuffled) {
    case (true, true):
      try filtered.withPiece(byteCount: target.count) { (piece) throws(CheckpointError) in
        try zstd.decode(
          stored, into: UnsafeMutableRawBufferPointer(start: piece, count: target.count))
        wb_unshuffle(piece, base, target.count / size, size)
      }
    case (true, false): try zstd.decode(stored, into: target)
    case (false, let isShuffled):
      guard stored.count == target.count else {
        throw CheckpointError(
          .corrupt, "a chunk of another size", expected: "\(target.count) bytes",
          found: "\(stored.count)")
      }
      if isShuffled {
        wb_unshuffle(source, base, target.count / size, size)
      } else {
        base.copyMemory(from: source, byteCount: target.count)
      }
    }
  }
}

extension StoredChunk {
  /// Copies the stored bytes, after which they are known to be those that were written.
  func read(
    in volume: FileRegion, into base: UnsafeMutableRawPointer
  ) throws(CheckpointError) {
    try volume.read(at: byteOffset, into: base, count: byteCount)
    let found = wb_crc32(0, base, byteCount)
    guard found == checksum else {
      throw CheckpointError(
        .corrupt, "checksum of a chunk", byteOffset: byteOffset,
        expected: "CRC-32 \(checksum, hexadecimalDigits: 8)",
        found: "\(found, hexadecimalDigits: 8)",
        hint: "the store is damaged: get it again, or import it again")
    }
  }
}

extension DefaultStringInterpolation {
  /// A number in hexadecimal digits.
  mutating func appendInterpolation(_ value: UInt32, hexadecimalDigits count: Int) {
    let text = String(value, radix: 16)
    appendLiteral(String(repeating: "0", count: max(0, count - text.count)) + text)
  }
}

/// Decoders that nobody uses at the moment.
final class ChunkDecoderPool: Sendable {
  private let idle = Mutex<[Lent]>([])
  private let chunkByteCount: Int

  /// `@unchecked Sendable`: a decoder is either in the pool or with the one thread that took it out.
  private struct Lent: @unchecked Sendable {
    let decoder: ChunkDecoder
  }

  init(chunkByteCount: Int) { self.chunkByteCount = chunkByteCount }

  /// Lends a decoder for the duration of a call.
  func withDecoder<Result>(
    _ body: (ChunkDecoder) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    let decoder: ChunkDecoder
    if let lent = idle.withLock({ $0.popLast() }) {
      decoder = lent.decoder
    } else {
      decoder = try ChunkDecoder(chunkByteCount: chunkByteCount)
    }
    defer { idle.withLock { $0.append(Lent(decoder: decoder)) } }
    return try body(decoder)
  }
}
