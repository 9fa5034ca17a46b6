import Foundation

/// An axis on which equal ratios are equally long; zero has a place of its own before its start.
struct LogarithmicAxis {
  /// What the axis shows, zero apart.
  let domain: ClosedRange<Double>
  /// Labelled places, the smallest number first.
  private(set) var ticks: [Tick] = []
  private let start: Double
  private let end: Double
  private let zero: Double?

  /// An axis for numbers, none negative.
  ///
  /// - Parameters:
  ///   - values: what it must show; what isn't finite is left out.
  ///   - start: where the smallest is, in pixels or percent.
  ///   - end: where the largest is; may be less than `start`.
  ///   - zeroGap: how far zero stands from the start.
  init(_ values: [Double], from start: Double, to end: Double, zeroGap: Double = 24) {
    let positive = values.filter { $0.isFinite && $0 > 0 }
    let smallest = Self.shown(positive.min() ?? 0.01)
    let largest = Self.shown(positive.max() ?? 0.1)
    // Numbers that are almost the same stay together.
    let missing = max(0, log(1.5) - log(largest / smallest)) / 2
    let margin = log(largest / smallest) * 0.04 + 0.01 + missing
    domain = (smallest * exp(-margin))...(largest * exp(margin))
    let hasZero = values.contains(0)
    zero = hasZero ? start : nil
    self.start = hasZero ? start + (end < start ? -zeroGap : zeroGap) : start
    self.end = end
    ticks = (hasZero ? [0] : []).map { Tick(at: pixels(position($0)), label: "0") }
    ticks += Self.labelled(domain).map {
      Tick(at: pixels(position($0)), label: String(format: "%.4g", $0))
    }
  }

  /// Quotients of numbers in this range are finite.
  private static func shown(_ value: Double) -> Double { min(max(value, 1e-100), 1e100) }

  /// Where a number is, in pixels.
  func position(_ value: Double) -> Double {
    guard value > 0 else { return zero ?? start }
    let part =
      log(Self.shown(value) / domain.lowerBound) / log(domain.upperBound / domain.lowerBound)
    return start + min(max(part, 0), 1) * (end - start)
  }

  /// Round numbers in a range: evenly spaced within a decade, else 1, 2 and 5 of each, or powers of ten.
  private static func labelled(_ domain: ClosedRange<Double>) -> [Double] {
    let (low, high) = (domain.lowerBound, domain.upperBound)
    if high / low < 5 {
      let step = roundStep(atLeast: (high - low) / 6)
      return stride(from: ceil(low / step), through: floor(high / step), by: 1).map { $0 * step }
    }
    let decades = log10(high / low)
    let factors: [Double] = decades < 3 ? [1, 2, 5] : [1]
    let every = max(1, ceil(decades / 10))
    return stride(from: floor(log10(low)), through: ceil(log10(high)), by: every).flatMap { power in
      factors.map { $0 * pow(10, power) }
    }.filter(domain.contains)
  }
}
