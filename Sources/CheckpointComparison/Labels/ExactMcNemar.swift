import Foundation

/// McNemar's test in its exact form: whether two models that judged the same examples are right equally often.
///
/// Only examples count that one of both gets right. If both were equally good, each would be either's with probability ½: the p value is the probability of a
/// split at least as uneven (McNemar 1947; the binomial form, two-sided).
enum ExactMcNemar {
  /// The p value.
  ///
  /// - Parameters:
  ///   - onlyFirst: examples that only the first gets right.
  ///   - onlySecond: examples that only the second gets right.
  /// - Returns: 2 Σ_{k ≤ min} C(n, k) / 2ⁿ, at most 1.
  static func probability(onlyFirst: Int, onlySecond: Int) -> Double {
    let (smaller, count) = (min(onlyFirst, onlySecond), onlyFirst + onlySecond)
    guard count > 0 else { return 1 }
    // Terms of large n are far below what numbers hold, so they are added up as parts of the largest.
    var logTerm = -Double(count) * log(2.0)
    var logs = [logTerm]
    for k in stride(from: 1, through: smaller, by: 1) {
      logTerm += log(Double(count - k + 1)) - log(Double(k))
      logs.append(logTerm)
    }
    let largest = logs.max() ?? 0
    let sum = logs.reduce(0) { $0 + exp($1 - largest) }
    return min(1, 2 * exp(largest) * sum)
  }
}
