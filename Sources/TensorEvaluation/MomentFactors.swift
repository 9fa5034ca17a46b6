import CTensorKernels
import FileContainers
import Foundation
import Synchronization
public import TensorModel

/// The triangular factors of second moments that are in use, and those that were: made when they are needed, shared by all threads.
///
/// Where memory doesn't hold another one, a thread waits until those in memory are used no more.
public final class MomentFactors: @unchecked Sendable {
  // Everything below `condition` is only touched while it is locked.
  private let condition = NSCondition()
  private var entries: [Entry] = []

  private let byteLimit: Int
  private let threads: Int

  /// What is added to the diagonal, as a share of its mean: inputs that hardly occurred count so much.
  public static let damping = 0.01

  private final class Entry {
    let moments: SecondMoments
    var userCount = 0
    var result: Result<Factor, CheckpointError>?

    init(_ moments: SecondMoments) { self.moments = moments }
  }

  /// A factor R with H + damping = R Rᵀ.
  ///
  /// `@unchecked Sendable`: nobody changes it once it is made.
  final class Factor: @unchecked Sendable {
    let columns: Int
    let damping: Double
    /// R[i, i]²: how much errors of a column count that later ones can't make up for.
    let squares: [Float]
    let tiles: UnsafePointer<Double>
    private let pages: ScratchArena

    init(_ moments: SecondMoments, threads: Int) throws(CheckpointError) {
      columns = moments.columnCount
      let pages = try ScratchArena(byteCount: MomentFactors.byteCount(columns: columns))
      self.pages = pages
      let tiles = pages.withPiece(byteCount: pages.byteCount) {
        $0.assumingMemoryBound(to: Double.self)
      }
      self.tiles = UnsafePointer(tiles)
      let columns = columns
      try moments.rows.forEach { (row, values) throws(CheckpointError) in
        let problem = wb_moments_put_row(values, columns, row, tiles)
        guard problem == 0 else { throw MomentFactors.unusable(problem, moments, row: row) }
      }
      damping = wb_moments_damp(tiles, columns, MomentFactors.damping)
      guard MomentFactors.factorize(tiles, columns, threads) else {
        throw MomentFactors.notDefinite(moments)
      }
      squares = [Float](unsafeUninitializedCapacity: columns) { squares, count in
        if let base = squares.baseAddress { wb_factor_squares(tiles, columns, base) }
        count = columns
      }
    }
  }

  /// No factors yet.
  ///
  /// - Parameters:
  ///   - byteLimit: bytes for all that are in memory at a time.
  ///   - threads: that make one.
  public init(byteLimit: Int = .max, threads: Int = 1) {
    self.byteLimit = byteLimit
    self.threads = threads
  }

  /// Bytes of the factor of so many columns.
  public static func byteCount(columns: Int) -> Int {
    let across = (columns + 7) / 8
    let (count, isTooLarge) = across.multipliedReportingOverflow(by: across + 1)
    let (bytes, overflows) = (count / 2).multipliedReportingOverflow(by: 64 * 8)
    return isTooLarge || overflows ? .max : bytes
  }

  /// The error for a matrix whose factor is more than memory may hold.
  ///
  /// - Parameters:
  ///   - columns: of the matrix.
  ///   - limit: bytes that there are for it.
  /// - Returns: a usage error that says how much would do.
  public static func tooLarge(columns: Int, limit: Int) -> CheckpointError {
    CheckpointError(
      .usage,
      "the factor of a matrix of second moments of \(columns) columns is more than memory may hold",
      expected: "at most \(humanSize(max(0, limit)))",
      found: humanSize(byteCount(columns: columns)),
      hint: "give it more by --memory, or take --quality best")
  }

  /// Calls a body with the factor of second moments.
  ///
  /// - Parameters:
  ///   - moments: which ones.
  ///   - body: uses it.
  /// - Throws: what reading throws; `malformed` for moments that can't be, `usage` for more columns than memory has room for.
  func withFactor(
    of moments: SecondMoments, _ body: (Factor) -> Void
  ) throws(CheckpointError) {
    let entry = try taken(moments)
    defer { release(entry) }
    guard let result = entry.result else { return }
    body(try result.get())
  }

  /// The factor, which stays until it is released.
  private func taken(_ moments: SecondMoments) throws(CheckpointError) -> Entry {
    let needed = Self.byteCount(columns: moments.columnCount)
    guard needed <= byteLimit else {
      throw Self.tooLarge(columns: moments.columnCount, limit: byteLimit)
    }
    condition.lock()
    while true {
      if let place = entries.firstIndex(where: { $0.moments == moments }) {
        let entry = entries.remove(at: place)
        entries.append(entry)
        entry.userCount += 1
        while entry.result == nil { condition.wait() }
        condition.unlock()
        return entry
      }
      if makeRoom(for: needed) { break }
      condition.wait()
    }
    let entry = Entry(moments)
    entry.userCount = 1
    entries.append(entry)
    condition.unlock()
    let result: Result<Factor, CheckpointError>
    do throws(CheckpointError) {
      result = .success(try Factor(moments, threads: threads))
    } catch { result = .failure(error) }
    condition.withLock {
      entry.result = result
      condition.broadcast()
    }
    return entry
  }

  /// Forgets factors that nobody uses, those that were used longest ago first; false where others have to be waited for.
  private func makeRoom(for needed: Int) -> Bool {
    var used = entries.reduce(0) { $0 + Self.byteCount(columns: $1.moments.columnCount) }
    while used > byteLimit - needed {
      guard let idle = entries.firstIndex(where: { $0.userCount == 0 }) else { return false }
      used -= Self.byteCount(columns: entries[idle].moments.columnCount)
      entries.remove(at: idle)
    }
    return true
  }

  private func release(_ entry: Entry) {
    condition.withLock {
      entry.userCount -= 1
      condition.broadcast()
    }
  }

  /// Makes the triangle of a damped matrix its factor; false where there is none.
  private static func factorize(
    _ tiles: UnsafeMutablePointer<Double>, _ columns: Int, _ threads: Int
  ) -> Bool {
    let (level, across) = (wb_best_level(), (columns + 7) / 8)
    nonisolated(unsafe) let tiles = tiles
    var end = across
    while end > 0 {
      guard wb_factor_corner(level, tiles, across, end) else { return false }
      let (start, last) = (wb_factor_start(end), end)
      let next = Atomic(0)
      ThreadTeam.run(start > 64 ? threads : 1) { _ in
        while true {
          let row = next.wrappingAdd(1, ordering: .relaxed).oldValue
          guard row < start else { return }
          wb_factor_row(level, tiles, across, last, row)
        }
      }
      end = start
    }
    return true
  }

  private static func unusable(
    _ problem: Int32, _ moments: SecondMoments, row: Int
  ) -> CheckpointError {
    let (text, expected, found) =
      switch Int(problem) {
      case WB_MOMENTS_NOT_FINITE:
        ("second moments that aren't numbers", "finite numbers", "NaN or infinity")
      case WB_MOMENTS_NEGATIVE:
        ("a mean square below 0", "0 or more on the diagonal", "a negative number")
      default:
        (
          "second moments that aren't symmetric", "the same on both sides of the diagonal",
          "different numbers"
        )
      }
    return CheckpointError(
      .malformed, text, expected: expected, found: "\(found) in row \(row) of \(moments.origin)",
      hint: remedy)
  }

  private static func notDefinite(_ moments: SecondMoments) -> CheckpointError {
    CheckpointError(
      .malformed, "second moments that no inputs can have",
      expected: "a positive definite matrix", found: moments.origin, hint: remedy)
  }

  private static let remedy =
    "the file of second moments is damaged, or not one that weighbridge importance --hessian has written"
}
