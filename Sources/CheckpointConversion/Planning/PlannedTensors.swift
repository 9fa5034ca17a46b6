/// The output tensors of a plan: the groups' parts one after the other, which are kept with the groups alone.
public struct PlannedTensors: RandomAccessCollection, Sendable {
  private let groups: [ConversionPlan.OutputGroup]
  /// Where each group's parts begin, and where the last one's end.
  private let bounds: [Int]

  init(_ groups: [ConversionPlan.OutputGroup]) {
    self.groups = groups
    var bounds = [0]
    bounds.reserveCapacity(groups.count + 1)
    for group in groups { bounds.append(bounds[bounds.count - 1] + group.parts.count) }
    self.bounds = bounds
  }

  /// 0.
  public var startIndex: Int { 0 }

  /// How many there are.
  public var endIndex: Int { bounds[groups.count] }

  /// The tensor at a place; takes a search among the groups.
  public subscript(place: Int) -> ConversionPlan.PlannedTensor {
    precondition(indices.contains(place))
    // The last group that begins at the place or before it: every group has a part.
    var (low, high) = (0, groups.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if bounds[middle] <= place { low = middle } else { high = middle }
    }
    return groups[low].parts[place - bounds[low]]
  }

  /// Places of a group's parts.
  func places(of group: Int) -> Range<Int> { bounds[group]..<bounds[group + 1] }
}
