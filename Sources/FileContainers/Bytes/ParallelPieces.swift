import Synchronization
public import TensorModel

/// Work that consists of pieces which don't depend on each other, done by several threads.
public enum ParallelPieces {
  private static let wantedThreadCount = Atomic(0)

  /// The most threads that work at the same time: as many as the process may use, unless fewer are wanted.
  public static var threadCount: Int {
    get {
      let wanted = wantedThreadCount.load(ordering: .relaxed)
      return wanted > 0 ? wanted : Processors.allowedCount
    }
    set { wantedThreadCount.store(newValue, ordering: .relaxed) }
  }

  /// Does all pieces.
  ///
  /// - Parameters:
  ///   - count: how many pieces; threads take them one by one.
  ///   - isSmall: whether it is so little that starting threads takes longer.
  ///   - body: is given a piece's number.
  /// - Returns: what each piece gives, in order.
  /// - Throws: the error of the first piece that has one.
  public static func map<Result: Sendable>(
    _ count: Int, isSmall: Bool = false,
    _ body: @Sendable (_ piece: Int) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> [Result] {
    let next = Atomic(0)
    let outcomes = Mutex<[Swift.Result<Result, CheckpointError>?]>(
      Array(repeating: nil, count: count))
    ThreadTeam.run(count > 1 && !isSmall ? min(count, threadCount) : 1) { _ in
      while true {
        let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard piece < count else { return }
        let outcome: Swift.Result<Result, CheckpointError>
        do throws(CheckpointError) { outcome = .success(try body(piece)) } catch {
          outcome = .failure(error)
          // Pieces before this one, which are under way, may still fail earlier; those after it don't count.
          next.store(count, ordering: .relaxed)
        }
        outcomes.withLock { $0[piece] = outcome }
      }
    }
    var results: [Result] = []
    results.reserveCapacity(count)
    for outcome in outcomes.withLock({ $0 }) {
      guard let outcome else { break }
      results.append(try outcome.get())
    }
    return results
  }

  /// An array whose elements are made where they will stand: to put a million together from several arrays takes longer than to make them.
  ///
  /// - Parameters:
  ///   - count: of elements.
  ///   - runLength: how many of them are a piece.
  ///   - body: is given the places of a piece's elements, and what takes each in order; it makes all or throws.
  /// - Returns: the elements.
  /// - Throws: the error of the first piece that has one.
  public static func elements<Element: Sendable>(
    _ count: Int, _ runLength: Int,
    _ body: @Sendable (_ run: Range<Int>, _ take: (Element) -> Void) throws(CheckpointError) -> Void
  ) throws(CheckpointError) -> [Element] {
    let runs = runs(of: count, runLength)
    var failure: CheckpointError?
    let elements = [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard let base = buffer.baseAddress, count > 0 else { return }
      let room = Room(base: base)
      let made = Mutex<[Int]>(Array(repeating: 0, count: runs.count))
      do throws(CheckpointError) {
        _ = try map(runs.count) { (piece) throws(CheckpointError) in
          var place = runs[piece].lowerBound
          defer { made.withLock { [place] in $0[piece] = place - runs[piece].lowerBound } }
          try body(runs[piece]) { element in
            precondition(place < runs[piece].upperBound)
            (room.base + place).initialize(to: element)
            place += 1
          }
          precondition(place == runs[piece].upperBound)
        }
        initialized = count
      } catch {
        failure = error
        for (run, made) in zip(runs, made.withLock({ $0 })) {
          (base + run.lowerBound).deinitialize(count: made)
        }
      }
    }
    if let failure { throw failure }
    return elements
  }

  /// Memory that every thread fills its own part of.
  ///
  /// `@unchecked Sendable`: a place is only touched by the thread that has its piece, and by nobody else until all are done.
  private struct Room<Element>: @unchecked Sendable { let base: UnsafeMutablePointer<Element> }

  /// A number of elements as runs of so many, one a piece.
  public static func runs(of count: Int, _ length: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: length).map { $0..<min($0 + length, count) }
  }
}
