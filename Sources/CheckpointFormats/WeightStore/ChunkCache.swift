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
    /// What is kept of each chunk that is decoded.
    var kept: [Key: Kept] = [:]
    /// Those that were decoded, the oldest first, and which decoding of all it was; from `oldest` on some are there.
    var decoded: [(key: Key, number: Int)] = []
    var oldest = 0
    var decodedCount = 0
    var byteCount = 0
    /// Those that somebody is at work on.
    var busy: Set<Key> = []

    mutating func forget(_ key: Key) {
      entries[key] = nil
      byteCount -= kept.removeValue(forKey: key)?.byteCount ?? 0
    }
  }

  private struct Kept {
    let byteCount: Int
    let number: Int
    /// How much of it nobody has asked for.
    var unreadByteCount: Int
  }

  private let state = Mutex(State())

  /// Whether somebody is at work on a chunk, so that others are better asked for first.
  func isBusy(_ key: Key) -> Bool { state.withLock { $0.busy.contains(key) } }

  /// A chunk, decoded unless it is there.
  ///
  /// - Parameters:
  ///   - key: which.
  ///   - byteCount: how large it is.
  ///   - readByteCount: how much of it is wanted, after all of which it isn't kept; 0 keeps it until others need the room.
  ///   - decode: writes all of its bytes.
  /// - Returns: the chunk.
  /// - Throws: what decoding throws.
  func chunk(
    _ key: Key, byteCount: Int, reading readByteCount: Int,
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
      let chunk = try entry.chunk.withLock { known throws(CheckpointError) in
        if let known { return known }
        let chunk = try Chunk(byteCount: byteCount)
        try decode(chunk.bytes)
        known = chunk
        keep(key, byteCount)
        return chunk
      }
      count(readByteCount, of: key)
      return chunk
    } catch {
      state.withLock { state in
        state.forget(key)
        state.busy.remove(key)
      }
      throw error
    }
  }

  /// Keeps a chunk, and lets go of those that were decoded first.
  private func keep(_ key: Key, _ byteCount: Int) {
    state.withLock { state in
      state.busy.remove(key)
      state.decodedCount += 1
      state.decoded.append((key, state.decodedCount))
      state.kept[key] = Kept(
        byteCount: byteCount, number: state.decodedCount, unreadByteCount: byteCount)
      state.byteCount += byteCount
      while state.byteCount > Self.byteCount, state.oldest < state.decoded.count - 1 {
        let (key, number) = state.decoded[state.oldest]
        if state.kept[key]?.number == number { state.forget(key) }
        state.oldest += 1
      }
      if state.decoded.count > 2 * state.kept.count + 1024 {
        state.decoded.removeAll { state.kept[$0.key]?.number != $0.number }
        state.oldest = 0
      }
    }
  }

  /// Lets go of a chunk that has been asked for as a whole: hardly anybody reads bytes twice.
  private func count(_ readByteCount: Int, of key: Key) {
    state.withLock { state in
      guard let kept = state.kept[key] else { return }
      state.kept[key]?.unreadByteCount -= readByteCount
      if kept.unreadByteCount <= readByteCount { state.forget(key) }
    }
  }
}
