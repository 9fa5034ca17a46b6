/// What becomes of the parts of a text that something matches, as `Split` names it.
enum SplitBehavior: String, Sendable, Hashable {
  case removed = "Removed"
  case isolated = "Isolated"
  case mergedWithPrevious = "MergedWithPrevious"
  case mergedWithNext = "MergedWithNext"
  case contiguous = "Contiguous"
}

/// The matches in a text and what lies between them, in order.
struct Segments {
  private var ranges: [(range: Range<Int>, isMatch: Bool)] = []

  /// Each character that fits is a match.
  init(
    of text: ArraySlice<Unicode.Scalar>, matching isMatch: (Unicode.Scalar) -> Bool
  ) {
    var start = text.startIndex
    for index in text.indices where isMatch(text[index]) {
      append(start..<index, isMatch: false)
      append(index..<index + 1, isMatch: true)
      start = index + 1
    }
    append(start..<text.endIndex, isMatch: false)
  }

  /// Each place where another text stands is a match.
  init(of text: ArraySlice<Unicode.Scalar>, matching other: [Unicode.Scalar]) {
    var (start, index) = (text.startIndex, text.startIndex)
    while let first = other.first, index + other.count <= text.endIndex {
      if text[index] == first, text[index..<index + other.count].elementsEqual(other) {
        append(start..<index, isMatch: false)
        append(index..<index + other.count, isMatch: true)
        index += other.count
        start = index
      } else {
        index += 1
      }
    }
    append(start..<text.endIndex, isMatch: false)
  }

  private mutating func append(_ range: Range<Int>, isMatch: Bool) {
    if !range.isEmpty { ranges.append((range, isMatch)) }
  }

  /// The pieces that they make, in order.
  func pieces(_ behavior: SplitBehavior) -> [Range<Int>] {
    switch behavior {
    case .isolated: return ranges.map(\.range)
    case .removed: return ranges.filter { !$0.isMatch }.map(\.range)
    case .contiguous: return merged { isMatch, wasMatch in isMatch == wasMatch }
    case .mergedWithPrevious: return merged { isMatch, wasMatch in isMatch && !wasMatch }
    case .mergedWithNext:
      var pieces: [Range<Int>] = []
      var wasMatch = false
      for (range, isMatch) in ranges.reversed() {
        if isMatch, !wasMatch, let last = pieces.popLast() {
          pieces.append(range.lowerBound..<last.upperBound)
        } else {
          pieces.append(range)
        }
        wasMatch = isMatch
      }
      return pieces.reversed()
    }
  }

  private func merged(_ belongs: (_ isMatch: Bool, _ wasMatch: Bool) -> Bool) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var wasMatch = false
    for (range, isMatch) in ranges {
      if belongs(isMatch, wasMatch), let last = pieces.popLast() {
        pieces.append(last.lowerBound..<range.upperBound)
      } else {
        pieces.append(range)
      }
      wasMatch = isMatch
    }
    return pieces
  }
}
