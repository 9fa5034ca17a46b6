import Synchronization
import TensorModel

/// Regular expressions for names of modules, matched from their beginning, with a limit on what all of it may take.
final class NamePatterns: Sendable {
  /// What may be spent on matching: far more than patterns that people write take.
  private static let effortForEach = 1 << 14
  private static let effortForAll = 1 << 22
  private static let most = 1000
  private static let longestName = 1024

  private let patterns: [TargetPattern]
  private let effort = Atomic<Int>(NamePatterns.effortForAll)

  /// - Parameters:
  ///   - texts: the expressions, the one that counts most first.
  ///   - key: of the configuration, for messages.
  /// - Throws: `malformed` for what isn't one, `unsupported` for what isn't understood.
  init(_ texts: [String], of key: String) throws(CheckpointError) {
    guard texts.count <= Self.most else {
      throw CheckpointError(
        .unsupported, "more regular expressions than are understood here", file: "config.json",
        expected: "at most \(Self.most) in '\(key)'", found: "\(texts.count)")
    }
    var patterns: [TargetPattern] = []
    for text in texts {
      do throws(CheckpointError) { patterns.append(try TargetPattern(text)) } catch {
        throw error.in(file: "config.json")
      }
    }
    self.patterns = patterns
  }

  /// The place of the first expression that a name begins with a match of; nil if there is none.
  ///
  /// - Throws: `unsupported` for names that are too long, and once matching has taken too much.
  func firstMatch(of name: String) throws(CheckpointError) -> Int? {
    guard !patterns.isEmpty else { return nil }
    let scalars = Array(name.unicodeScalars)
    guard scalars.count <= Self.longestName else {
      throw CheckpointError(
        .unsupported, "a name too long for regular expressions", file: "config.json",
        expected: "at most \(Self.longestName) characters", found: "\(scalars.count)")
    }
    var left = effort.wrappingAdd(Self.effortForEach, ordering: .relaxed).newValue
    let before = left
    let found = patterns.firstIndex { $0.matches(scalars, effort: &left) }
    effort.wrappingSubtract(before - left, ordering: .relaxed)
    guard left > 0 else {
      throw CheckpointError(
        .unsupported, "regular expressions that take too long to match", file: "config.json",
        expected: "targets that need less than a few million steps",
        hint: "name the modules in config.json, each by its full name")
    }
    return found
  }
}
