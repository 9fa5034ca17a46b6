import TensorModel

extension ConversionPlan {
  /// How much larger than the mean the largest part may be where parts are called even.
  private static let tolerance = 1.05
  /// The most parts of files that are tried.
  private static let maximumTriedCount = 1024
  /// How many numbers are named.
  private static let namedCount = 6

  /// Into how many parts whole files can be divided so that no part has much more than the others: `30 files: 2, 3, 5, 15, 30`.
  ///
  /// The largest numbers, ascending, or `none`; nil for one file.
  public var evenPartCounts: String? {
    let files = weightFiles.count
    guard files > 1 else { return nil }
    // Whole files, whatever the number of parts.
    let division = PlanDivision(self, partCount: 1)
    let counts = (2...min(files, Self.maximumTriedCount)).filter {
      division.imbalance($0) <= Self.tolerance
    }
    let named = counts.suffix(Self.namedCount).map(String.init).joined(separator: ", ")
    return "\(files) files: \(named.isEmpty ? "none" : named)"
  }
}
