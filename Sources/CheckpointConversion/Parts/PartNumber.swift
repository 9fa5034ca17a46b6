/// Which part of how many: `3/32` as people write it, counted from 1.
public struct PartNumber: Hashable, Sendable, CustomStringConvertible {
  /// From 1 to `count`.
  public let number: Int
  /// How many parts there are.
  public let count: Int

  /// The most parts that a conversion may have: their folders have numbers of five digits.
  public static let maximumCount = 99_999

  /// A part; nil if there is no such one.
  public init?(_ number: Int, of count: Int) {
    guard (1...Self.maximumCount).contains(count), (1...count).contains(number) else { return nil }
    self.number = number
    self.count = count
  }

  /// Parses `3/32`; nil for anything else.
  public init?(_ text: String) {
    let fields = text.split(separator: "/", omittingEmptySubsequences: false)
    guard fields.count == 2, fields.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isDecimalDigit) }),
      let number = Int(fields[0]), let count = Int(fields[1])
    else { return nil }
    self.init(number, of: count)
  }

  /// As it is written: `3/32`.
  public var description: String { "\(number)/\(count)" }

  /// The name of its folder: `00003-of-00032`.
  var folderName: String { "\(number, digits: 5)-of-\(count, digits: 5)" }
}

extension Character {
  /// Whether it is one of 0 to 9.
  var isDecimalDigit: Bool { ("0"..."9").contains(self) }
}

/// Numbers as Slurm writes them: `2-3,7`.
public enum NumberRanges {
  /// The text for some numbers.
  ///
  /// - Parameter numbers: ascending, each once.
  /// - Returns: runs of neighbours with a dash, commas between; empty for none.
  public static func text(_ numbers: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = runs.last, last.upperBound + 1 == number {
        runs[runs.count - 1] = last.lowerBound...number
      } else {
        runs.append(number...number)
      }
    }
    return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }
}
