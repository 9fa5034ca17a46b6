// What HDF5's filters have made of a chunk is undone in the opposite order
// (https://support.hdfgroup.org/documentation/hdf5/latest/_h5_d__u_g.html, the data pipeline):
//
//   1 deflate: a zlib stream    2 shuffle: bytes of elements by their place    3 Fletcher-32: a checksum of 4 bytes at the end
//
// A chunk whose mask has a filter's bit was written without it.

import CTensorKernels
import Dispatch
import FileContainers
import Synchronization
import TensorModel

/// The filters of a dataset's chunks, in the order of writing.
struct ChunkFilters: Hashable, Sendable {
  private enum Filter: Int {
    case deflate = 1
    case shuffle = 2
    case fletcher32 = 3
  }

  private let filters: [Filter]
  private let elementByteCount: Int
  /// Bytes of a whole chunk.
  private let chunkByteCount: Int

  /// Checks filters that came from a file.
  ///
  /// - Throws: `unsupported` for others, or the same twice.
  init(
    _ filters: [DatasetCatalogue.Filter], elementByteCount: Int, chunkByteCount: Int
  ) throws(CheckpointError) {
    var known: [Filter] = []
    for filter in filters {
      guard let one = Filter(rawValue: filter.number), !known.contains(one) else {
        throw CheckpointError(
          .unsupported, "chunks that went through a filter that isn't undone here",
          expected: "deflate, shuffle and Fletcher-32, once each",
          found: "HDF5's filter \(filter.number)", hint: "copy the file with h5repack -f GZIP=1")
      }
      guard one != .shuffle || filter.parameter == elementByteCount else {
        throw CheckpointError(
          .malformed, "chunks are shuffled by another size than their elements'",
          expected: "\(elementByteCount)", found: "\(filter.parameter)")
      }
      known.append(one)
    }
    self.filters = known
    self.elementByteCount = elementByteCount
    self.chunkByteCount = chunkByteCount
  }

  /// What a chunk can have at most between two filters: deflate makes what it can't compress a little larger.
  static func stageByteCount(chunkByteCount: Int) -> Int {
    chunkByteCount + chunkByteCount / 512 + 256
  }

  /// Whether a chunk can have so many bytes in the file.
  func allows(_ chunk: DatasetCatalogue.Chunk) -> Bool {
    guard chunk.skippedFilters < 1 << filters.count, chunk.byteCount > 0,
      chunk.byteCount <= Self.stageByteCount(chunkByteCount: chunkByteCount)
    else { return false }
    let applied = self.applied(chunk)
    return applied.contains(.deflate)
      || chunk.byteCount == chunkByteCount + (applied.contains(.fletcher32) ? 4 : 0)
  }

  private func applied(_ chunk: DatasetCatalogue.Chunk) -> [Filter] {
    filters.enumerated().filter { chunk.skippedFilters >> $0.offset & 1 == 0 }.map(\.element)
  }

  /// Reads a chunk and undoes its filters.
  ///
  /// - Parameters:
  ///   - chunk: one that is allowed.
  ///   - file: what it lies in.
  ///   - work: memory for chunks of this size.
  ///   - target: as large as a whole chunk.
  /// - Throws: `corrupt` if a checksum fails or something has another size; `inputOutput`.
  func decode(
    _ chunk: DatasetCatalogue.Chunk, in file: FileRegion, _ work: ChunkWork,
    into target: UnsafeMutableRawBufferPointer
  ) throws(CheckpointError) {
    let applied = applied(chunk)
    guard let base = target.baseAddress else { return }
    if applied.isEmpty {
      try file.read(at: chunk.offset, into: base, count: target.count)
      return
    }
    var (current, other) = (work.first, work.second)
    var count = chunk.byteCount
    try file.read(at: chunk.offset, into: current, count: count)
    for (step, filter) in applied.enumerated().reversed() {
      // The last one writes where the chunk is to be.
      let isLast = step == 0 && filter != .fletcher32
      let result = isLast ? base : other
      let room = isLast ? target.count : work.stageByteCount
      switch filter {
      case .fletcher32:
        count = try Self.confirm(current, count, chunk.offset)
        continue
      case .deflate:
        count = try work.zlib.decode(
          UnsafeRawBufferPointer(start: current, count: count),
          into: UnsafeMutableRawBufferPointer(start: result, count: room))
      case .shuffle:
        guard count <= room else { throw size(count) }
        wb_unshuffle(current, result, count / elementByteCount, elementByteCount)
        // Bytes that are no whole element stay at the end.
        let rest = count % elementByteCount
        (result + (count - rest)).copyMemory(from: current + (count - rest), byteCount: rest)
      }
      (current, other) = (result, current)
    }
    guard count == target.count else { throw size(count) }
    if current != base { base.copyMemory(from: current, byteCount: count) }
  }

  private func size(_ found: Int) -> CheckpointError {
    CheckpointError(
      .corrupt, "a chunk of another size", expected: "\(chunkByteCount) bytes", found: "\(found)")
  }

  /// Compares a chunk with the checksum at its end.
  ///
  /// - Returns: how many bytes there are without it.
  private static func confirm(
    _ bytes: UnsafeMutableRawPointer, _ count: Int, _ place: Int
  ) throws(CheckpointError) -> Int {
    guard count >= 4 else {
      throw CheckpointError(.corrupt, "a chunk without its checksum", byteOffset: place)
    }
    let stored = (bytes + (count - 4)).loadUnaligned(as: UInt32.self).littleEndian
    let found = wb_fletcher32(bytes, count - 4)
    // Releases before 1.6.3 swapped the bytes of each half.
    let swapped = (found & 0x00ff_00ff) << 8 | found >> 8 & 0x00ff_00ff
    guard stored == found || stored == swapped else {
      throw CheckpointError(
        .corrupt, "checksum of a chunk", byteOffset: place,
        expected: "Fletcher-32 \(stored, hexadecimalDigits: 8)",
        found: "\(found, hexadecimalDigits: 8)", hint: "the file was damaged: get it again")
    }
    return count - 4
  }
}

/// What one thread needs to undo filters; memory is kept from chunk to chunk.
final class ChunkWork {
  let zlib: ZlibChunkDecoder
  let stageByteCount: Int
  private let pages: Pages

  var first: UnsafeMutableRawPointer { pages.base }
  var second: UnsafeMutableRawPointer { pages.base + stageByteCount }

  /// For chunks of up to so many bytes.
  init(chunkByteCount: Int) throws(CheckpointError) {
    zlib = try ZlibChunkDecoder()
    stageByteCount = ScratchArena.rounded(
      ChunkFilters.stageByteCount(chunkByteCount: chunkByteCount))
    pages = try Pages(byteCount: 2 * stageByteCount)
  }
}

/// Work places that nobody uses at the moment; there are no more than fit into 64 MB, and whoever finds none waits.
final class ChunkWorkPool: Sendable {
  private static let byteCount = 64 << 20
  private let idle = Mutex<[Lent]>([])
  private let chunkByteCount: Int

  /// `@unchecked Sendable`: a work place is either in the pool or with the one thread that took it out.
  private struct Lent: @unchecked Sendable {
    let work: ChunkWork
  }

  private let places: DispatchSemaphore

  init(chunkByteCount: Int) {
    self.chunkByteCount = chunkByteCount
    let each = 2 * ChunkFilters.stageByteCount(chunkByteCount: chunkByteCount)
    places = DispatchSemaphore(value: max(1, Self.byteCount / each))
  }

  /// Lends a work place for the duration of a call.
  func withWork(
    _ body: (ChunkWork) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    places.wait()
    defer { places.signal() }
    let work: ChunkWork
    if let lent = idle.withLock({ $0.popLast() }) {
      work = lent.work
    } else {
      work = try ChunkWork(chunkByteCount: chunkByteCount)
    }
    defer { idle.withLock { $0.append(Lent(work: work)) } }
    try body(work)
  }
}
