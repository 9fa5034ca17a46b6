import Synchronization
public import TensorModel

/// SHA-256 of many files, by all threads.
///
/// Where two messages are hashed in the time of one, a thread goes through two files at a time, if there are more files than threads.
public enum FileDigests {
  /// What is to be done with an entry of a list.
  public enum Work<Result: Sendable>: Sendable {
    /// Its file is hashed.
    case hash(InputFile)
    /// Nothing: this is known without.
    case known(Result)
  }

  /// A file that is gone through.
  private struct Lane {
    let place: Int
    let file: InputFile
    var offset = 0
    var digest = PairedDigest()
    var restCount: Int { file.byteCount - offset }
  }

  /// Bytes that are read at once.
  private static let stepByteCount = 1 << 20

  /// Hashes the files of a list.
  ///
  /// - Parameters:
  ///   - count: how many entries it has.
  ///   - isPaired: whether two are hashed in the time of one.
  ///   - progress: told of bytes as they are read; what it throws ends the work.
  ///   - open: is given an entry's number, and opens its file.
  ///   - result: is given a number, its file and the digest.
  /// - Returns: what each entry gives, in order.
  /// - Throws: the error of the first entry that has one: `inputOutput`, and what the closures throw.
  public static func map<Result: Sendable>(
    _ count: Int, isPaired: Bool = PairedDigest.isAccelerated,
    progress: @Sendable (_ byteCount: Int) throws(CheckpointError) -> Void,
    open: @Sendable (Int) throws(CheckpointError) -> Work<Result>,
    result: @Sendable (Int, InputFile, Digest) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> [Result] {
    let outcomes = Mutex<[Swift.Result<Result, CheckpointError>?]>(
      Array(repeating: nil, count: count))
    let threads = max(1, min(count, ParallelPieces.threadCount))
    // Each thread has a file of its own before any takes a second one.
    let next = Atomic(threads)
    @Sendable func settle(
      _ place: Int, _ outcome: () throws(CheckpointError) -> Result
    ) {
      let settled: Swift.Result<Result, CheckpointError>
      do throws(CheckpointError) { settled = .success(try outcome()) } catch {
        settled = .failure(error)
        // Those before it, which are under way, may still fail earlier; those after it don't count.
        next.store(count, ordering: .relaxed)
      }
      outcomes.withLock { $0[place] = settled }
    }
    _ = try ParallelPieces.map(threads) { (first) throws(CheckpointError) in
      let laneCount = isPaired ? 2 : 1
      let scratch = try ScratchArena(byteCount: laneCount * stepByteCount)
      var lanes: [Lane] = []
      var upcoming = first < count ? first : nil
      while true {
        while lanes.count < laneCount, let place = upcoming {
          do throws(CheckpointError) {
            switch try open(place) {
            case .hash(let file): lanes.append(Lane(place: place, file: file))
            case .known(let known): settle(place) { () throws(CheckpointError) in known }
            }
          } catch { settle(place) { () throws(CheckpointError) in throw error } }
          let taken = next.wrappingAdd(1, ordering: .relaxed).oldValue
          upcoming = taken < count ? taken : nil
        }
        guard !lanes.isEmpty else { return }
        do throws(CheckpointError) { try advance(&lanes, scratch, progress) } catch {
          for lane in lanes { settle(lane.place) { () throws(CheckpointError) in throw error } }
          return
        }
        for lane in lanes where lane.restCount == 0 {
          settle(lane.place) { () throws(CheckpointError) in
            try result(lane.place, lane.file, lane.digest.digest)
          }
        }
        lanes.removeAll { $0.restCount == 0 }
      }
    }
    var results: [Result] = []
    for outcome in outcomes.withLock({ $0 }) {
      guard let outcome else { break }
      results.append(try outcome.get())
    }
    return results
  }

  /// Takes the next bytes of each file that a thread goes through, as many of one as of the other.
  private static func advance(
    _ lanes: inout [Lane], _ scratch: ScratchArena,
    _ progress: (Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let count = lanes.reduce(stepByteCount) { min($0, $1.restCount) }
    try scratch.withPiece(byteCount: lanes.count * stepByteCount) {
      (base) throws(CheckpointError) in
      for place in lanes.indices {
        try lanes[place].file.read(
          at: lanes[place].offset, into: base + place * stepByteCount, count: count)
        lanes[place].offset += count
      }
      let bytes = UnsafeRawBufferPointer(start: base, count: count)
      if lanes.count == 2 {
        var other = lanes[1].digest
        lanes[0].digest.update(
          bytes, with: &other,
          UnsafeRawBufferPointer(start: base + stepByteCount, count: count))
        lanes[1].digest = other
      } else {
        lanes[0].digest.update(bytes)
      }
    }
    try progress(count * lanes.count)
  }
}
