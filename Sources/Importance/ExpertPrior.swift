public import Quantization
public import TensorModel

/// What experts that few tokens came to are taken to see as well: what the layer's others see.
///
/// The means of a handful of tokens say little of a column. Such an expert gets the mean over all tokens of the layer as if it had met so many more.
public struct ExpertPrior: Sendable {
  /// Below so many tokens an expert gets the prior, up to so many.
  public static let tokenCount = 32.0

  /// The sums with the prior: what quantizers are to read.
  public let sums: ImportanceSums
  /// What was really met of the weights that have a prior.
  public let met: [ExactName: ImportanceSums.Entry]
  /// Experts of layers that have one, each counted once for each of its weights.
  public let expertCount: Int
  /// Those that no token came to.
  public let unmetCount: Int

  /// Adds the prior where it is needed.
  public init(_ sums: ImportanceSums) {
    var (changed, met) = (sums, [ExactName: ImportanceSums.Entry]())
    var (expertCount, unmetCount) = (0, 0)
    for (name, entry) in sums.entries where entry.counts.count > 1 {
      let few = entry.counts.indices.filter { entry.counts[$0] < Self.tokenCount }
      let total = entry.counts.reduce(0, +)
      guard !few.isEmpty, total > 0 else { continue }
      met[name] = entry
      expertCount += few.count
      unmetCount += few.count { entry.counts[$0] == 0 }
      changed.entries[name] = Self.filled(entry, few, total)
    }
    self.sums = changed
    self.met = met
    self.expertCount = expertCount
    self.unmetCount = unmetCount
  }

  private static func filled(
    _ entry: ImportanceSums.Entry, _ experts: [Int], _ total: Double
  ) -> ImportanceSums.Entry {
    var filled = entry
    let columns = entry.columnCount
    var means = [Double](repeating: 0, count: columns)
    for expert in entry.counts.indices {
      for column in 0..<columns { means[column] += entry.sums[expert * columns + column] }
    }
    for column in 0..<columns { means[column] /= total }
    for expert in experts {
      let missing = tokenCount - entry.counts[expert]
      filled.counts[expert] = tokenCount
      for column in 0..<columns {
        filled.sums[expert * columns + column] += missing * means[column]
      }
    }
    return filled
  }
}
