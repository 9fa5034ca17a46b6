import Foundation
import Testing

@testable import weighbridge

/// Where charts put things.
@Suite struct ChartTests {
  @Test func equalRatiosAreEquallyLong() {
    let axis = LogarithmicAxis([0.001, 1], from: 300, to: 0)
    let places = [0.001, 0.01, 0.1, 1].map(axis.position)
    let steps = zip(places, places.dropFirst()).map { $0 - $1 }
    #expect(steps.allSatisfy { abs($0 - steps[0]) < 1e-9 && $0 > 0 })
    #expect(places.allSatisfy { (0...300).contains($0) })
    #expect(axis.ticks.map(\.label) == ["0.001", "0.01", "0.1", "1"])
  }

  @Test(
    arguments: [
      ([0.0054, 0.0717], ["0.005", "0.01", "0.02", "0.05"]),
      ([0.0053, 0.0056], ["0.0045", "0.005", "0.0055", "0.006", "0.0065"]),
      ([0, 0.01, 0.02], ["0", "0.01", "0.012", "0.014", "0.016", "0.018", "0.02"]),
      (
        [0.0001, 0.04],
        ["0.0001", "0.0002", "0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05"]
      ),
      ([1e-9, 1e-3], ["1e-09", "1e-08", "1e-07", "1e-06", "1e-05", "0.0001", "0.001"]),
      ([0], ["0", "0.01", "0.02", "0.05", "0.1"]), ([], ["0.01", "0.02", "0.05", "0.1"]),
    ] as [([Double], [String])])
  func ticksAreRoundNumbers(values: [Double], labels: [String]) {
    #expect(LogarithmicAxis(values, from: 0, to: 700).ticks.map(\.label) == labels)
  }

  /// The smallest, the largest, and all in between: nothing traps, and there are some ticks but not many.
  @Test(arguments: [
    [Double.leastNonzeroMagnitude, .greatestFiniteMagnitude], [.leastNonzeroMagnitude], [0, 0],
    [.greatestFiniteMagnitude], [.nan, .infinity, 0.5], [1e-30, 1], [0.3, 0.30000001],
  ])
  func anyNumbersHaveAnAxis(values: [Double]) {
    let axis = LogarithmicAxis(values, from: 0, to: 700)
    #expect(axis.ticks.count < 16)
    #expect(values.filter(\.isFinite).allSatisfy { (0...700).contains(axis.position($0)) })
  }

  @Test(arguments: [1, 3, 32, 300, 9999]) func layersAreLabelledWithoutOverlap(count: Int) throws {
    let axis = LayerAxis(count, from: 64, to: 1000)
    let places = try axis.ticks.map { try #require(Double($0.at)) }
    #expect(axis.ticks.first?.label == "0")
    #expect(zip(places, places.dropFirst()).allSatisfy { $1 - $0 >= 27.9 })
    #expect(places.count > min(count, 10) / 2)
    #expect(axis.middle(count - 1) < 1000)
  }

  @Test(
    arguments: [
      ("blk.7.attn_q.weight", 7, "attn_q"), ("blk.12.ffn_gate_inp.weight", 12, "ffn_gate_inp"),
      ("output.weight", nil, "output"), ("blk.7", nil, "blk.7"), ("blk.7.weight", nil, "blk.7"),
      ("blk.+7.x.weight", nil, "blk.+7.x"), ("blk.123456.x.weight", nil, "blk.123456.x"),
      ("", nil, ""), ("weight", nil, "weight"), ("blk.1.a.b.bias", 1, "a.b.bias"),
    ] as [(String, Int?, String)])
  func placesAreInNames(name: String, layer: Int?, kind: String) {
    let place = TensorPlace(name)
    #expect(place.layer == layer)
    #expect(place.kind == kind)
  }

  @Test func kindsNeverLookTheSame() {
    let kinds = ["x", "attn_v", "y", "ffn_down"] + (0..<12).map { "z\($0)" }
    let (styles, index) = KindStyle.assigned(kinds + kinds)
    #expect(styles.count == kinds.count)
    #expect(Set(styles.map { "\($0.color) \($0.shape)" }).count == styles.count)
    #expect(Set(index.keys) == Set(kinds))
    // Too many share the last style.
    let (few, places) = KindStyle.assigned((0..<5000).map { "kind\($0)" })
    #expect(few.count == 16)
    #expect(few.last?.name == "others")
    #expect(places["kind4999"] == 15)
  }

  @Test func theBarIsFull() throws {
    let bar = try #require(ByteBar([("Q4_K", "t0", 700), ("Q6_K", "t4", 299), ("F32", "t7", 1)]))
    let ends = try bar.parts.map { try #require(Double($0.start)) + #require(Double($0.extent)) }
    #expect(abs((ends.last ?? 0) - Double(bar.width)) <= 1.1)
    #expect(bar.parts.map(\.label) == ["Q4_K 70.0 %", "Q6_K 29.9 %", ""])
    #expect(ByteBar([]) == nil)
    #expect(ByteBar([("F32", "t0", 0)]) == nil)
  }

  @Test func rangesOfLayersAreShort() {
    let ranges = QuantizationPage.SubstitutionRow.ranges
    #expect(ranges([3, 1, 2, 7, 7, 9, 10]) == "1–3, 7, 9–10")
    #expect(ranges([]) == "")
  }
}
