import CPlatform
import Synchronization
public import TensorModel

/// The memory of all large buffers: pages mapped from the system, beside the heap, counted and used again.
///
/// In a heap large buffers come to lie among small allocations that live long. Then holes are left that the next buffer doesn't fit into, and
/// what was freed can't be given back: importing a model took the more memory the larger it was. Mapped pages are given back one by one. Those
/// that were used last wait for the next buffer of about their size, because touching fresh memory costs more than most work that is done in it.
public final class PageArena: Sendable {
  /// The process's own.
  public static let shared = PageArena(limit: 1 << 30)

  /// What is mapped.
  public struct Counts: Hashable, Sendable {
    /// Bytes of buffers in use.
    public internal(set) var used = 0
    /// Bytes that wait for another use.
    public internal(set) var idle = 0
    /// The most that both were together.
    public internal(set) var peak = 0
    /// How often the system was asked for pages.
    public internal(set) var mappingCount = 0
  }

  private struct Run {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
  }

  /// `@unchecked Sendable`: runs that are idle belong to nobody else.
  private struct State: @unchecked Sendable {
    var limit: Int
    var counts = Counts()
    /// Those that were used last stand at the end.
    var idle: [Run] = []
    /// Bytes that were mapped although more than a sixteenth of the limit waits, less what was forgotten for them.
    var excess = 0

    /// Forgets the runs that have waited longest, until so much can be mapped, and no more waits than a quarter of the limit.
    ///
    /// What is mapped takes the place of others as long as more than a sixteenth waits: buffers that come in many sizes would fill the quarter
    /// with what nobody asks for again, the more the longer the work.
    mutating func evict(wanted: Int) -> [Run] {
      var evicted: [Run] = []
      let isPlenty = counts.idle > limit / 16
      excess = isPlenty ? excess + wanted : 0
      while let oldest = idle.first,
        counts.idle > limit / 4 || counts.used + counts.idle + wanted > limit
          || oldest.byteCount <= excess && counts.idle > limit / 16
      {
        evicted.append(oldest)
        idle.removeFirst()
        counts.idle -= oldest.byteCount
        excess = max(0, excess - oldest.byteCount)
      }
      return evicted
    }
  }

  /// What sizes are rounded to: whole pages of all platforms.
  static let granularity = 64 << 10

  private let state: Mutex<State>

  /// An arena.
  ///
  /// - Parameter limit: bytes above which nothing waits for another use; what is in use may be more.
  init(limit: Int) { state = Mutex(State(limit: limit)) }

  /// The bytes that buffers are to stay under, as `--memory` says: above them nothing waits for another use.
  public var limit: Int {
    get { state.withLock { $0.limit } }
    set {
      let evicted = state.withLock { state in
        state.limit = newValue
        return Evicted(runs: state.evict(wanted: 0))
      }
      evicted.unmap()
    }
  }

  /// What is mapped now, and was at most.
  public var counts: Counts { state.withLock { $0.counts } }

  /// `@unchecked Sendable`: the runs are nobody's any more.
  private struct Evicted: @unchecked Sendable {
    let runs: [Run]

    func unmap() { for run in runs { unmapPages(run.base, byteCount: run.byteCount) } }
  }

  /// Has large arrays given back to the system when they are freed, too: tables have hundreds of bytes for each tensor.
  public static func mapLargeArrays() { wb_map_large_allocations() }

  /// Gives what the heap has grown to and doesn't need any more back to the system: between work with large tables and work with large buffers.
  public static func trimHeap() { wb_trim_heap() }

  /// Unmaps what waits for another use: after work that took large buffers, before work that takes none.
  public func releaseIdle() {
    let idle = state.withLock { state in
      defer {
        state.idle = []
        state.counts.idle = 0
      }
      return Evicted(runs: state.idle)
    }
    idle.unmap()
  }

  /// Pages for so many bytes, with anything in them.
  func take(
    _ byteCount: Int
  ) throws(CheckpointError) -> (base: UnsafeMutableRawPointer, byteCount: Int) {
    let (padded, isTooLarge) = max(byteCount, 1).addingReportingOverflow(Self.granularity - 1)
    let size = isTooLarge ? Int.max : padded / Self.granularity * Self.granularity
    let (taken, evicted) = state.withLock { state -> (Evicted, Evicted) in
      // No larger than what nobody would miss.
      let place = state.idle.lastIndex { size <= $0.byteCount && $0.byteCount - size <= size / 4 }
      if let place {
        let run = state.idle.remove(at: place)
        state.counts.idle -= run.byteCount
        state.counts.used += run.byteCount
        return (Evicted(runs: [run]), Evicted(runs: []))
      }
      // More than the limit has nothing wait, however much it is.
      return (Evicted(runs: []), Evicted(runs: state.evict(wanted: min(size, state.limit))))
    }
    if let run = taken.runs.first { return (run.base, run.byteCount) }
    evicted.unmap()
    guard let base = mapPages(byteCount: size) else {
      throw CheckpointError(
        .inputOutput, "no memory for a buffer", expected: "\(byteCount) bytes",
        hint: "give it less with --memory or --threads, or raise the limit that `ulimit -v` shows")
    }
    state.withLock { state in
      state.counts.used += size
      state.counts.mappingCount += 1
      state.counts.peak = max(state.counts.peak, state.counts.used + state.counts.idle)
    }
    return (base, size)
  }

  /// Takes back what `take` gave.
  func giveBack(_ base: UnsafeMutableRawPointer, byteCount: Int) {
    let returned = Evicted(runs: [Run(base: base, byteCount: byteCount)])
    let evicted = state.withLock { state in
      state.counts.used -= byteCount
      state.counts.idle += byteCount
      state.idle += returned.runs
      return Evicted(runs: state.evict(wanted: 0))
    }
    evicted.unmap()
  }
}

/// A large buffer: pages of a `PageArena`, which has them back when nobody holds the buffer any more.
///
/// `@unchecked Sendable`: whoever shares one between threads sees to it that they don't write to the same bytes.
public final class Pages: @unchecked Sendable {
  /// The first byte.
  public let base: UnsafeMutableRawPointer
  /// How many bytes were asked for.
  public let byteCount: Int

  private let arena: PageArena
  private let mappedByteCount: Int

  /// Room for so many bytes, with anything in them.
  ///
  /// - Throws: `inputOutput` if the system has no memory.
  public convenience init(byteCount: Int) throws(CheckpointError) {
    try self.init(byteCount: byteCount, of: .shared)
  }

  init(byteCount: Int, of arena: PageArena) throws(CheckpointError) {
    (base, mappedByteCount) = try arena.take(byteCount)
    self.byteCount = byteCount
    self.arena = arena
  }

  deinit { arena.giveBack(base, byteCount: mappedByteCount) }

  /// All bytes; valid as long as the buffer is held.
  public var bytes: UnsafeMutableRawBufferPointer { .init(start: base, count: byteCount) }
}

/// Memory for one worker's intermediate results, taken and given back like a stack and reused from tensor to tensor: touching
/// fresh memory costs more than the work done in it.
public final class ScratchArena {
  private let pages: Pages
  private var used = 0
  /// The bytes that it has.
  public let byteCount: Int

  /// What pieces are aligned to: a cache line.
  public static let alignment = 64

  /// Reserves address space; fresh pages are backed when they are first used.
  ///
  /// - Throws: `inputOutput` if the system has no memory.
  public init(byteCount: Int) throws(CheckpointError) {
    self.byteCount = byteCount
    pages = try Pages(byteCount: byteCount)
  }

  /// What a piece of so many bytes takes.
  public static func rounded(_ byteCount: Int) -> Int {
    (byteCount + alignment - 1) / alignment * alignment
  }

  /// Lends a piece of uninitialised memory for the duration of a call.
  ///
  /// Callers compute what they need beforehand; asking for more is a bug of ours.
  public func withPiece<Result, Failure: Error>(
    byteCount: Int, _ body: (UnsafeMutableRawPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let size = Self.rounded(byteCount)
    precondition(used + size <= self.byteCount, "scratch arena exhausted")
    let piece = pages.base + used
    used += size
    defer { used -= size }
    return try body(piece)
  }
}
