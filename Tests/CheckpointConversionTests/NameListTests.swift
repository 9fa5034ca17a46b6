import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

@Suite struct NameListTests {
  @Test func namesStandInOrder() {
    let names = ["b", "é", "a", "e\u{301}"].map { ExactName($0) }
    #expect(NameList(names).text == "a, b, e\u{301}, é")
    #expect(NameList([]).text == "" && NameList([]).count == 0)
  }

  @Test func onlyTheFirstOfManyAreNamed() {
    var random = FixedRandom(seed: 3)
    let names = (1000..<1000 + 5 * NameList.shownCount).map { "n\($0)" }
    let list = NameList(names.shuffled(using: &random).map { ExactName($0) })
    #expect(list.count == names.count)
    let shown = names.prefix(NameList.shownCount).joined(separator: ", ")
    #expect(list.text == "\(shown) and \(4 * NameList.shownCount) more")
  }
}
