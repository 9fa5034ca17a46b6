import Foundation

/// A row of logits as a probability distribution; sums in f64.
public struct LogitRow {
  private let values: UnsafeBufferPointer<Float>
  /// log Σ exp(logit).
  public let logSum: Double

  /// A row of so many logits.
  public init(_ base: UnsafePointer<Float>, count: Int) {
    values = UnsafeBufferPointer(start: base, count: count)
    let largest = Double(values.max() ?? 0)
    logSum = largest + log(values.reduce(0.0) { $0 + exp(Double($1) - largest) })
  }

  /// log p of a token.
  public func logProbability(of token: Int) -> Double { Double(values[token]) - logSum }

  /// Whether none of them is NaN or infinite.
  public var areNumbers: Bool { values.allSatisfy(\.isFinite) }

  /// The likeliest tokens, the likeliest first; of equal ones the first.
  public func top(_ count: Int) -> [(token: Int, logit: Float, probability: Double)] {
    let order = values.indices.sorted {
      values[$0] == values[$1] ? $0 < $1 : values[$0] > values[$1]
    }
    return order.prefix(count).map { ($0, values[$0], exp(logProbability(of: $0))) }
  }

  /// The likeliest token; of equal ones the first.
  public var likeliest: Int {
    var best = 0
    for index in values.indices where values[index] > values[best] { best = index }
    return best
  }

  /// Σ p log(p / q) for another row of the same tokens.
  public func divergence(from other: LogitRow) -> Double {
    var sum = 0.0
    for index in values.indices {
      let mine = logProbability(of: index)
      sum += exp(mine) * (mine - other.logProbability(of: index))
    }
    // The maximum of 0 and what is no number would be 0.
    return sum.isNaN ? sum : max(0, sum)
  }
}
