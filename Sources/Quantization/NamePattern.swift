import Dispatch
import FileContainers
import Foundation
import Synchronization
public import TensorModel

/// A regular expression that is searched for in names of tensors, letters in either case.
public struct NamePattern: Hashable, Sendable {
  /// The expression.
  public let text: String

  /// What a search in one name may take: some expressions try out more ways than there is time for.
  private static let timeLimit = DispatchTimeInterval.seconds(2)

  /// How often a thread is tried to be started.
  private static let attemptCount = 50

  /// Nil if the text is no regular expression, or empty.
  public init?(_ text: String) {
    guard !text.isEmpty, (try? Regex(text)) != nil else { return nil }
    self.text = text
  }

  /// Whether the expression is found in a name.
  ///
  /// - Throws: `usage` if that can't be found out in time.
  public func matches(_ name: String) throws(CheckpointError) -> Bool {
    if let literal = LiteralPattern(text), let isFound = literal.isFound(in: name) {
      return isFound
    }
    let outcome = Outcome()
    let isDone = DispatchSemaphore(value: 0)
    let search = { @Sendable [text] in
      let expression = try? Regex(text).ignoresCase()
      let isFound = expression.map { name.firstMatch(of: $0) != nil } ?? false
      outcome.isFound.withLock { $0 = isFound }
      isDone.signal()
    }
    // Where few threads are allowed, that of the search before may not have gone yet.
    var isStarted = ThreadTeam.detach(search)
    for _ in 0..<Self.attemptCount where !isStarted {
      Thread.sleep(forTimeInterval: 0.01)
      isStarted = ThreadTeam.detach(search)
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

  /// An expression that is a text itself, perhaps at the beginning or the end: most are, and need no search that might take long.
  private struct LiteralPattern {
    private var bytes: [UInt8] = []
    private var (isAtStart, isAtEnd) = (false, false)

    /// Characters that stand for more than themselves.
    private static let special = Set("^$.*+?()[]{}|\\/#".utf8)

    /// Nil where anything stands for more than itself, and for letters that aren't ASCII.
    init?(_ text: String) {
      var rest = Array(text.utf8)[...]
      if rest.first == UInt8(ascii: "^") {
        isAtStart = true
        rest.removeFirst()
      }
      while let byte = rest.popFirst() {
        switch byte {
        case UInt8(ascii: "$") where rest.isEmpty: isAtEnd = true
        case UInt8(ascii: "\\"):
          guard let escaped = rest.popFirst(), Self.special.contains(escaped) else { return nil }
          bytes.append(escaped)
        default:
          guard (0x21..<0x7f).contains(byte), !Self.special.contains(byte) else { return nil }
          bytes.append(byte)
        }
      }
    }

    /// Whether a name has the text, letters in either case; nil for names that aren't ASCII.
    func isFound(in name: String) -> Bool? {
      let name = Array(name.utf8)
      guard name.allSatisfy({ $0 < 0x80 && $0 != 0x0a && $0 != 0x0d }) else { return nil }
      let starts = isAtStart ? 0...0 : 0...max(0, name.count - bytes.count)
      return starts.contains { start in
        guard name.count - start >= bytes.count, !isAtEnd || name.count - start == bytes.count
        else { return false }
        return zip(name[start...], bytes).allSatisfy { Self.folded($0) == Self.folded($1) }
      }
    }

    private static func folded(_ byte: UInt8) -> UInt8 {
      (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
    }
  }

  private final class Outcome: Sendable {
    let isFound = Mutex(false)
  }
}
