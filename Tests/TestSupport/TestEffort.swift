import Foundation

/// How much the tests that could go on for hours do: a sample as a rule, all of it if `WEIGHBRIDGE_TESTS` is `all`.
public enum TestEffort {
  /// Whether everything is to be tried.
  public static let isExhaustive = ProcessInfo.processInfo.environment["WEIGHBRIDGE_TESTS"] == "all"

  /// The step from one case to the next: 1 if everything is to be tried.
  public static func step(_ usual: Int) -> Int { isExhaustive ? 1 : usual }
}
