import Dispatch
import FileContainers
import Synchronization
public import TensorModel

/// A regular expression that is searched for in names of tensors, letters in either case.
public struct NamePattern: Hashable, Sendable {
  /// The expression.
  public let text: String

  /// What a search in one name may take: some expressions try out more ways than there is time for.
  private static let timeLimit = DispatchTimeInterval.seconds(2)

  /// Nil if the text is no regular expression, or empty.
  public init?(_ text: String) {
    guard !text.isEmpty, (try? Regex(text)) != nil else { return nil }
    self.text = text
  }

  /// Whether the expression is found in a name.
  ///
  /// - Throws: `usage` if that can't be found out in time.
  public func matches(_ name: String) throws(CheckpointError) -> Bool {
    let outcome = Outcome()
    let isDone = DispatchSemaphore(value: 0)
    let isStarted = ThreadTeam.detach { [text] in
      let expression = try? Regex(text).ignoresCase()
      let isFound = expression.map { name.firstMatch(of: $0) != nil } ?? false
      outcome.isFound.withLock { $0 = isFound }
      isDone.signal()
    }
    guard isStarted else {
      throw CheckpointError(
        .inputOutput, "the system starts no thread to search for a pattern in",
        hint: "raise the limit of processes (ulimit -u, or pids.max of the control group)")
    }
    // The search can't be stopped; the process ends with the error.
    guard isDone.wait(timeout: .now() + Self.timeLimit) == .success else {
      throw CheckpointError(
        .usage, "a pattern that takes too long to be searched for in '\(name)'",
        found: String(text.prefix(100)), hint: "repetitions within repetitions are seldom needed")
    }
    return outcome.isFound.withLock { $0 }
  }

  private final class Outcome: Sendable {
    let isFound = Mutex(false)
  }
}
