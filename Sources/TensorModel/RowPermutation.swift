/// The rows of a tensor in another order, the same in every group of rows: how heads lie, and the pairs of dimensions that rotary positions turn.
public struct RowPermutation: Hashable, Sendable {
  /// What is done to each group.
  public let order: Order
  /// How many groups there are: heads, or all of it.
  public let groupCount: Int
  /// Rows of a group.
  public let groupRowCount: Int

  /// Where rows go.
  public enum Order: Hashable, Sendable {
    /// Of the first rows of each group, the even ones, then the odd ones: pairs `2j, 2j + 1` become `j, j + rotated / 2`.
    case halves(rotated: Int)
    /// The other way round.
    case interleaved(rotated: Int)
    /// Groups of some parts each: all first parts, all second parts and so on; each has so many rows.
    case parts(count: Int)
    /// The other way round: parts that stand one after the other go into groups.
    case groups(parts: Int)
    /// The same as `parts`, of parts whose rows are to each other as these numbers.
    case runs(widths: [Int])
    /// The other way round.
    case groupsOfRuns(widths: [Int])
  }

  /// A permutation of `groupCount × groupRowCount` rows.
  public init(_ order: Order, groupCount: Int, groupRowCount: Int) {
    self.order = order
    self.groupCount = groupCount
    self.groupRowCount = groupRowCount
  }

  /// The rows that it is of.
  public var rowCount: Int { groupCount * groupRowCount }

  /// Whether its numbers can be: groups with rows, pairs within them, parts of equal size.
  public var isValid: Bool {
    guard groupCount > 0, groupRowCount > 0,
      !groupCount.multipliedReportingOverflow(by: groupRowCount).overflow
    else { return false }
    switch order {
    case .halves(let rotated), .interleaved(let rotated):
      return rotated >= 0 && rotated <= groupRowCount && rotated % 2 == 0
    case .parts(let count), .groups(let count):
      return count > 0 && groupRowCount % count == 0
    case .runs(let widths), .groupsOfRuns(let widths):
      guard (1...Self.maximumRunCount).contains(widths.count),
        widths.allSatisfy({ (1...groupRowCount).contains($0) })
      else { return false }
      return groupRowCount % widths.reduce(0, +) == 0
    }
  }

  private static let maximumRunCount = 8

  /// What undoes it.
  public var inverse: RowPermutation {
    let other: Order =
      switch order {
      case .halves(let rotated): .interleaved(rotated: rotated)
      case .interleaved(let rotated): .halves(rotated: rotated)
      case .parts(let count): .groups(parts: count)
      case .groups(let count): .parts(count: count)
      case .runs(let widths): .groupsOfRuns(widths: widths)
      case .groupsOfRuns(let widths): .runs(widths: widths)
      }
    return RowPermutation(other, groupCount: groupCount, groupRowCount: groupRowCount)
  }

  /// Which row of the operand a row of the result is.
  public func source(of row: Int) -> Int {
    let (group, place) = row.quotientAndRemainder(dividingBy: groupRowCount)
    switch order {
    case .halves(let rotated):
      guard place < rotated else { return row }
      let half = rotated / 2
      let from = place < half ? 2 * place : 2 * (place - half) + 1
      return group * groupRowCount + from
    case .interleaved(let rotated):
      guard place < rotated else { return row }
      return group * groupRowCount + (place % 2 == 0 ? place / 2 : rotated / 2 + place / 2)
    case .parts(let count):
      let partRowCount = groupRowCount / count
      let (part, rest) = row.quotientAndRemainder(dividingBy: groupCount * partRowCount)
      let (group, inPart) = rest.quotientAndRemainder(dividingBy: partRowCount)
      return group * groupRowCount + part * partRowCount + inPart
    case .groups(let count):
      let partRowCount = groupRowCount / count
      let (part, inPart) = place.quotientAndRemainder(dividingBy: partRowCount)
      return part * groupCount * partRowCount + group * partRowCount + inPart
    case .runs(let widths):
      let unit = groupRowCount / widths.reduce(0, +)
      var (rest, start) = (row, 0)
      for width in widths {
        let count = groupCount * width * unit
        if rest < count {
          let (group, inRun) = rest.quotientAndRemainder(dividingBy: width * unit)
          return group * groupRowCount + start + inRun
        }
        rest -= count
        start += width * unit
      }
      return row
    case .groupsOfRuns(let widths):
      let unit = groupRowCount / widths.reduce(0, +)
      var (rest, start) = (place, 0)
      for width in widths {
        if rest < width * unit { return start + group * width * unit + rest }
        rest -= width * unit
        start += groupCount * width * unit
      }
      return row
    }
  }
}

extension RowPermutation: CustomStringConvertible {
  /// Such as `halves of 16 × 256 rows, 64 rotated`.
  public var description: String {
    let groups = "\(groupCount) × \(groupRowCount) rows"
    return switch order {
    case .halves(let rotated): "halves of \(groups), \(rotated) rotated"
    case .interleaved(let rotated): "pairs of \(groups), \(rotated) rotated"
    case .parts(let count): "\(count) parts of \(groups)"
    case .groups(let count): "groups of \(groups), \(count) parts"
    case .runs(let widths): "runs of \(groups), \(widths) wide"
    case .groupsOfRuns(let widths): "groups of runs of \(groups), \(widths) wide"
    }
  }
}
