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
    }
  }

  /// What undoes it.
  public var inverse: RowPermutation {
    let other: Order =
      switch order {
      case .halves(let rotated): .interleaved(rotated: rotated)
      case .interleaved(let rotated): .halves(rotated: rotated)
      case .parts(let count): .groups(parts: count)
      case .groups(let count): .parts(count: count)
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
    }
  }
}
