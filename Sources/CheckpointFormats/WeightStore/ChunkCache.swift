import FileContainers
import Synchronization
import TensorModel

/// Decoded chunks of which only a part has been asked for: the rest is often wanted next, when columns are gathered.
final class ChunkCache: Sendable {
  /// So many bytes are kept.
  private static let byteCount = 48 << 20

  struct Key: Hashable {
    let tensor: Int
    let chunk: Int
  }

  /// The bytes of a chunk.
  ///
  /// They are written before anybody else sees the chunk, and only read from then on.
  typealias Chunk = Pages

  private struct State {
    var chunks: [Key: (chunk: Chunk, lastUse: Int)] = [:]
    var byteCount = 0
    var clock = 0
  }

  private let state = Mutex(State())

  /// A chunk that is there.
  func chunk(_ key: Key) -> Chunk? {
    state.withLock { state in
      state.clock += 1
      state.chunks[key]?.lastUse = state.clock
      return state.chunks[key]?.chunk
    }
  }

  /// Keeps a chunk, and lets go of those that were not used for longest.
  func insert(_ chunk: Chunk, _ key: Key) {
    state.withLock { state in
      state.clock += 1
      if let old = state.chunks.updateValue((chunk, state.clock), forKey: key) {
        state.byteCount -= old.chunk.byteCount
      }
      state.byteCount += chunk.byteCount
      while state.byteCount > Self.byteCount, state.chunks.count > 1,
        let oldest = state.chunks.min(by: { $0.value.lastUse < $1.value.lastUse })
      {
        state.chunks[oldest.key] = nil
        state.byteCount -= oldest.value.chunk.byteCount
      }
    }
  }
}
