import CheckpointConversion

/// What one of several parts reads of a list: neighbours, as even in bytes as they can be.
struct ReadingShare {
  let part: PartNumber

  /// The places of a list that are this part's.
  ///
  /// - Parameter byteCounts: of the list's entries.
  /// - Returns: the places.
  func own(_ byteCounts: [Int]) -> Range<Int> {
    EvenRuns(byteCounts).runs(part.count)[part.number - 1]
  }
}
