/// The number that a part of sorted numbers doesn't exceed, between two of them linearly.
func quantile(_ sorted: [Double], _ part: Double) -> Double {
  let place = part * Double(sorted.count - 1)
  let lower = Int(place)
  let upper = min(lower + 1, sorted.count - 1)
  return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
}

/// The middle of numbers, and how far they are from it.
struct RobustSpread {
  /// The median.
  let median: Double
  /// 1.4826 times the median distance from it: the standard deviation, if the numbers are normally distributed, which single outliers don't change.
  let scale: Double

  /// A spread; nil for no numbers.
  ///
  /// - Parameters:
  ///   - numbers: in any order, all finite.
  ///   - minimum: what the scale is at least.
  init?(_ numbers: [Double], minimum: Double) {
    guard !numbers.isEmpty else { return nil }
    let median = quantile(numbers.sorted(), 0.5)
    self.median = median
    scale = max(1.4826 * quantile(numbers.map { abs($0 - median) }.sorted(), 0.5), minimum)
  }

  /// How many scales a number is above the median.
  func score(_ number: Double) -> Double { (number - median) / scale }
}
