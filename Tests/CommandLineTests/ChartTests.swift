import Foundation
import ModelArchitectures
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

  @Test(
    arguments: [
      ("blk.7.attn_q.weight", 7, "attn_q"), ("blk.12.ffn_gate_inp.weight", 12, "ffn_gate_inp"),
      ("output.weight", nil, "output.weight"), ("blk.7", 7, "blk.*"), ("blk.7.weight", 7, "blk.*"),
      ("blk.+7.x.weight", nil, "blk.+7.x.weight"),
      ("blk.123456.x.weight", nil, "blk.123456.x.weight"),
      ("", nil, ""), ("weight", nil, "weight"), ("blk.1.a.b.bias", 1, "a.b.bias"),
      ("model.layers.3.self_attn.q_proj.weight", 3, "self_attn.q_proj"),
      ("model.layers.3.mlp.experts.17.up_proj.weight", 3, "mlp.experts.*.up_proj"),
      ("model.language_model.layers.3.norm.weight", 3, "norm"),
      ("transformer.h.11.attn.c_attn.bias", 11, "attn.c_attn.bias"),
      ("encoder.layers.2.fc1.weight", 2, "encoder.layers.*.fc1"), ("layers.5", 5, "layers.*"),
      ("bert.pooler.2.weight", 2, "bert.pooler.*"), ("layer_7/w", 7, "layer_*/w"),
    ] as [(String, Int?, String)])
  func placesAreInNames(name: String, layer: Int?, kind: String) {
    let place = WeightPlace(named: name)
    #expect(place.layer == layer)
    #expect(place.kind == kind)
  }

  @Test func theBarIsFull() throws {
    let styles = SeriesStyle.assigned(["Q4_K", "Q6_K", "F32"])
    let bar = try #require(ByteBar(Array(zip(styles, [700, 299, 1])).map { ($0, $1) }))
    var end = 0.0
    for part in bar.parts {
      #expect(abs(try #require(Double(part.start.dropLast())) - end) < 0.02)
      end += try #require(Double(part.extent.dropLast()))
    }
    #expect(abs(end - 100) < 0.02)
    #expect(bar.parts.map(\.label) == ["Q4_K 70.0 %", "Q6_K 29.9 %", ""])
    #expect(ByteBar([]) == nil)
    #expect(ByteBar([(styles[0], 0)]) == nil)
  }

  @Test func strokesStayInTheirRow() throws {
    let styles = SeriesStyle.assigned(["Q4_K", "Q6_K"])
    let chart = try #require(TypeChart([(styles[0], [0, 0.04, 0.05, 0.05]), (styles[1], [])]))
    #expect(chart.rows.count == 1)
    #expect(chart.rows[0].strokes.count == 3)
    let places = try chart.rows[0].strokes.map { try #require(Double($0.dropLast())) }
    #expect(places.allSatisfy { (0...100).contains($0) })
    #expect(chart.ticks.count <= 6)
    #expect(TypeChart([(styles[0], [.nan])]) == nil)
  }

  @Test func rangesOfLayersAreShort() {
    #expect(ranges([3, 1, 2, 7, 7, 9, 10]) == "1–3, 7, 9–10")
    #expect(ranges([]) == "")
  }
}
