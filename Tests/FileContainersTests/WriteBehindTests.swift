import Testing

@testable import FileContainers

@Suite struct WriteBehindTests {
  @Test func asksOnceForManySmallRuns() {
    var behind = WriteBehind(dueByteCount: 100)
    var asked: [Range<Int>] = []
    for start in stride(from: 0, to: 1000, by: 16) {
      if let due = behind.add(start..<start + 16) { asked.append(due) }
    }
    #expect(asked.count == 9)
    // Nothing lies between what is asked for, and nothing is asked for twice.
    #expect(asked.first?.lowerBound == 0)
    for (one, next) in zip(asked, asked.dropFirst()) { #expect(one.upperBound == next.lowerBound) }
  }

  @Test func asksForALargeRunAtOnce() {
    var behind = WriteBehind(dueByteCount: 100)
    #expect(behind.add(50..<150) == 50..<150)
    #expect(behind.add(150..<160) == nil)
    #expect(behind.add(0..<99) == 0..<160)
  }
}
