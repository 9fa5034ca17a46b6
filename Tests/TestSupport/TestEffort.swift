import Foundation

/// How much the tests that could go on for hours do: a sample as a rule, `WEIGHBRIDGE_TESTS` times as much if that is a number, and everything if
/// it is `all`.
public enum TestEffort {
  private static let factor: Int = {
    let asked = ProcessInfo.processInfo.environment["WEIGHBRIDGE_TESTS"]
    return asked == "all" ? .max : max(1, asked.flatMap { Int($0) } ?? 1)
  }()

  /// Whether everything is to be tried.
  public static var isExhaustive: Bool { factor == .max }

  /// The step from one case to the next; odd, so that all bits of the bytes get their turn.
  public static func step(_ usual: Int) -> Int { max(1, usual / factor | 1) }
}
