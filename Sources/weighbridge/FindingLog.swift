import Synchronization
import TensorModel

/// Findings on standard error: warnings and errors always, notes unless quiet, of each check the first few.
final class FindingLog: Sendable {
  private let isQuiet: Bool
  private let counts = Mutex<[String: Int]>([:])

  /// How many of one check are printed in full.
  private static let limit = 5

  /// A log.
  init(quiet: Bool) { isQuiet = quiet }

  /// Prints a finding, unless there have been enough of its check.
  @Sendable func report(_ finding: Finding) {
    guard finding.severity > .note || !isQuiet else { return }
    let count = counts.withLock {
      $0[finding.check, default: 0] += 1
      return $0[finding.check, default: 0]
    }
    if count <= Self.limit { Console.error(finding.line) }
  }

  /// Says how many were not printed, and where they are.
  func finish(_ place: String) {
    for (check, count) in counts.withLock({ $0 }).sorted(by: { $0.key < $1.key })
    where count > Self.limit {
      Console.error("… and \(grouped(count - Self.limit)) more [\(check)], all in \(place)")
    }
  }
}
