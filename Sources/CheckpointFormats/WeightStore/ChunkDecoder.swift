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

  /// A decoder for chunks of up to so many bytes.
  init(chunkByteCount: Int) throws(CheckpointError) {
    zstd = try ZstdChunkDecoder()
    stored = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
    filtered = try ScratchArena(byteCount: ScratchArena.rounded(chunkByteCount))
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
      guard isCompressed else {
        guard bytes.count == decodedByteCount else {
          throw CheckpointError(
            .corrupt, "a chunk of another size", expected: "\(decodedByteCount) bytes",
            found: "\(bytes.count)")
        }
        take(piece, decodedByteCount, isShuffled, coding, into: target)
        return
      }
      if !isShuffled && target.count == decodedByteCount {
        try zstd.decode(bytes, into: target)
        return
      }
      try filtered.withPiece(byteCount: decodedByteCount) { (whole) throws(CheckpointError) in
        try zstd.decode(
          bytes, into: UnsafeMutableRawBufferPointer(start: whole, count: decodedByteCount))
        take(whole, decodedByteCount, isShuffled, coding, into: target)
      }
    }
  }

  /// Takes the tensor's part of a whole chunk, the first bytes, out of their shuffle.
  private func take(
    _ whole: UnsafeRawPointer, _ byteCount: Int, _ isShuffled: Bool, _ coding: ChunkCoding,
    into target: UnsafeMutableRawBufferPointer
  ) {
    guard let base = target.baseAddress else { return }
    let size = coding.elementByteCount
    if isShuffled {
      wb_unshuffle_first(whole, base, target.count / size, byteCount / size, size)
    } else {
      base.copyMemory(from: whole, byteCount: target.count)
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
