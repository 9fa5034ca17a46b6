/// Spreads a row of pieces over parts, in runs of neighbours of which the largest is as small as it can be.
public struct EvenRuns {
  /// Bytes of the pieces before each, and of all.
  private let ends: [Int]

  /// For pieces of these sizes in bytes, none negative.
  public init(_ sizes: [Int]) {
    var ends = [0]
    ends.reserveCapacity(sizes.count + 1)
    for size in sizes { ends.append(ends[ends.count - 1] + size) }
    self.ends = ends
  }

  private var count: Int { ends.count - 1 }

  /// The runs.
  ///
  /// - Parameter partCount: at least 1.
  /// - Returns: a run for each part, in order; the last ones may be empty.
  public func runs(_ partCount: Int) -> [Range<Int>] {
    var (low, high) = (0, ends[count])
    while low < high {
      let middle = low + (high - low) / 2
      if runs(ofAtMost: middle, partCount).last?.upperBound == count {
        high = middle
      } else {
        low = middle + 1
      }
    }
    return runs(ofAtMost: low, partCount)
  }

  /// Bytes of each run.
  ///
  /// - Parameter partCount: at least 1.
  /// - Returns: the bytes, in order.
  public func byteCounts(_ partCount: Int) -> [Int] {
    runs(partCount).map { ends[$0.upperBound] - ends[$0.lowerBound] }
  }

  /// The largest run's size over the mean: 1 where all are even.
  func imbalance(_ partCount: Int) -> Double {
    let largest = byteCounts(partCount).max() ?? 0
    let total = ends[count]
    return total == 0 ? 1 : Double(largest) * Double(partCount) / Double(total)
  }

  /// Runs that each take in as much as they may; pieces are left over where that is too little.
  private func runs(ofAtMost limit: Int, _ partCount: Int) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    runs.reserveCapacity(partCount)
    var start = 0
    for _ in 0..<partCount {
      // The last piece that still fits, among those whose ends ascend.
      var (low, high) = (start, count)
      while low < high {
        let middle = low + (high - low + 1) / 2
        if ends[middle] - ends[start] <= limit { low = middle } else { high = middle - 1 }
      }
      runs.append(start..<low)
      start = low
    }
    return runs
  }
}
