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

  /// A chunk, which is decoded by whoever asks for it first; the others wait.
  private final class Entry: Sendable {
    let chunk = Mutex<Chunk?>(nil)
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    /// Those that are decoded, the oldest first; from `oldest` on they are there.
    var decoded: [(key: Key, byteCount: Int)] = []
    var oldest = 0
    var byteCount = 0
    /// Those that somebody is at work on.
    var busy: Set<Key> = []
  }

  private let state = Mutex(State())

  /// Whether somebody is at work on a chunk, so that others are better asked for first.
  func isBusy(_ key: Key) -> Bool { state.withLock { $0.busy.contains(key) } }

  /// A chunk, decoded unless it is there.
  ///
  /// - Parameters:
  ///   - key: which.
  ///   - byteCount: how large it is.
  ///   - decode: writes all of its bytes.
  /// - Returns: the chunk.
  /// - Throws: what decoding throws.
  func chunk(
    _ key: Key, byteCount: Int,
    decode: (UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) -> Chunk {
    let entry = state.withLock { state in
      if let known = state.entries[key] { return known }
      let entry = Entry()
      state.entries[key] = entry
      state.busy.insert(key)
      return entry
    }
    do throws(CheckpointError) {
      return try entry.chunk.withLock { known throws(CheckpointError) in
        if let known { return known }
        let chunk = try Chunk(byteCount: byteCount)
        try decode(chunk.bytes)
        known = chunk
        keep(key, byteCount)
        return chunk
      }
    } catch {
      state.withLock { state in
        state.entries[key] = nil
        state.busy.remove(key)
      }
      throw error
    }
  }

  /// Counts a chunk, and lets go of those that were decoded first.
  private func keep(_ key: Key, _ byteCount: Int) {
    state.withLock { state in
      state.busy.remove(key)
      state.decoded.append((key, byteCount))
      state.byteCount += byteCount
      while state.byteCount > Self.byteCount, state.oldest < state.decoded.count - 1 {
        let (key, byteCount) = state.decoded[state.oldest]
        state.entries[key] = nil
        state.byteCount -= byteCount
        state.oldest += 1
      }
      if state.oldest > 1024, 2 * state.oldest > state.decoded.count {
        state.decoded.removeFirst(state.oldest)
        state.oldest = 0
      }
    }
  }
}
