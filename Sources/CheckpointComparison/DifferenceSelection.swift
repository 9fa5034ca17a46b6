import Foundation

/// Which differences are listed, and in which order.
public struct DifferenceSelection: Sendable {
  /// The order.
  public var order = DifferenceOrder.source
  /// How many are listed at most; nil for all.
  public var limit: Int?
  /// Whether those are left out that dtypes explain.
  public var isOfChanges = false
  /// Whether tensors with the same values in other dtypes count as equal, and so are left out.
  public var countsValues = false

  /// All, in the order of the checkpoints.
  public init() {}

  /// The differences that count, all of them.
  ///
  /// - Parameter differences: of a comparison, in its order.
  /// - Returns: those that aren't left out.
  public func wanted(_ differences: [TensorDifference]) -> [TensorDifference] {
    differences.filter { difference in
      !(isOfChanges && difference.relation.isExplained)
        && !(countsValues && difference.relation == .equalAfterWidening)
    }
  }

  /// The differences that are listed.
  ///
  /// - Parameter differences: of a comparison, in its order.
  /// - Returns: as many as there may be, sorted.
  public func listed(_ differences: [TensorDifference]) -> [TensorDifference] {
    let sorted = order.sorted(wanted(differences))
    return limit.map { Array(sorted.prefix($0)) } ?? sorted
  }

  /// A summary, of which groups without a change are left out where only changes are wanted.
  ///
  /// - Parameter summary: of a comparison.
  /// - Returns: what is shown of it.
  public func shown(_ summary: ComparisonSummary) -> ComparisonSummary {
    isOfChanges ? summary.ofChanges : summary
  }
}

/// An order of differences.
public enum DifferenceOrder: Sendable, CaseIterable {
  /// As the first checkpoint has the tensors, then those that it lacks.
  case source
  /// By name, numbers in names by their value.
  case name
  /// By how far values were moved relative to what they were, ‖Δ‖ / ‖a‖, the largest first.
  case change
  /// By the root mean square of the change, the largest first.
  case rms
  /// By the largest |Δ|, the largest first.
  case max
  /// By the number of elements that differ, the largest first.
  case elements
  /// By the rank of the change, the largest first.
  case rank

  /// Differences in this order; equal ones stay in theirs.
  ///
  /// Tensors that only one checkpoint has, or that differ in shape, stand first where sizes count.
  ///
  /// - Parameter differences: in the order of the source.
  /// - Returns: all of them.
  public func sorted(_ differences: [TensorDifference]) -> [TensorDifference] {
    switch self {
    case .source: differences
    case .name:
      Self.sorted(differences) { one, other in
        one.name.compare(other.name, options: [.numeric, .literal]) == .orderedAscending
      }
    case .change, .rms, .max, .elements, .rank:
      Self.sorted(differences) { size($0) > size($1) }
    }
  }

  private static func sorted(
    _ differences: [TensorDifference],
    _ precedes: (TensorDifference, TensorDifference) -> Bool
  ) -> [TensorDifference] {
    let places = differences.indices.sorted { one, other in
      if precedes(differences[one], differences[other]) { return true }
      return one < other && !precedes(differences[other], differences[one])
    }
    return places.map { differences[$0] }
  }

  /// What a difference is sorted by.
  private func size(_ difference: TensorDifference) -> Double {
    switch difference.relation {
    case .missingInFirst, .missingInSecond, .shape: return .infinity
    case .equalAfterWidening: return 0
    case .equalAfterRounding, .values: break
    }
    let size: Double? =
      switch self {
      case .change: difference.values?.relativeL2
      case .rms: difference.values?.rms
      case .max: difference.values?.maxAbsolute
      case .elements: difference.differingCount.map(Double.init)
      case .rank: difference.rank.map(Self.size)
      case .source, .name: nil
      }
    // What isn't a number comes of infinite values.
    return size.map { $0.isNaN ? .infinity : $0 } ?? 0
  }

  private static func size(_ rank: ChangeRank) -> Double {
    switch rank {
    case .exactly(let rank): Double(rank)
    case .atLeast(let least): Double(least)
    case .unknown: 0
    }
  }
}
