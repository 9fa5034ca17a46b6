import Foundation
import ModelArchitectures
import TestSupport
import Testing

@testable import weighbridge

/// Where charts by layer put their marks.
@Suite struct LayerPanelsTests {
  private static let kinds = [
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "attn_norm",
    "ffn_norm",
  ]

  private func panels(
    layers: Int, kinds: [String] = kinds, each: Int = 1, others: Int = 3,
    limit: (name: String, number: Double)? = nil
  ) throws -> LayerPanels {
    var random = FixedRandom(seed: 3)
    func value(_ layer: Int?, _ kind: String) -> LayerPanels.Value {
      LayerPanels.Value(
        place: WeightPlace(layer: layer, kind: kind),
        number: 0.04 * (1 + Double(random.next() % 1000) / 2000), series: Int(random.next() % 3),
        text: "\(kind) of \(layer.map(String.init) ?? "none")")
    }
    let values =
      (0..<layers).flatMap { layer in
        kinds.flatMap { kind in (0..<each).map { _ in value(layer, kind) } }
      } + (0..<others).map { value(nil, "other\($0)") }
    return try #require(
      LayerPanels(
        values, SeriesStyle.assigned(["Q4_K", "Q6_K", "Q8_0"]), shown: [0, 1, 2], limit: limit))
  }

  /// A mark where a browser draws it: symbols keep their proportions, in the middle of their box.
  private func box(
    _ mark: LayerPanels.Mark, _ width: Double
  ) throws -> (x: ClosedRange<Double>, y: ClosedRange<Double>) {
    func percent(_ text: String) throws -> Double {
      try #require(Double(text.dropLast())) * width / 100
    }
    let (start, extent) = (try percent(mark.x), try percent(mark.width))
    let size = min(extent, Double(mark.height))
    let middle = (start + extent / 2, try #require(Double(mark.y)) + Double(mark.height) / 2)
    return (
      (middle.0 - size / 2)...(middle.0 + size / 2), (middle.1 - size / 2)...(middle.1 + size / 2)
    )
  }

  /// In a column of a telephone, and as wide as the page gets.
  @Test(
    arguments: [(1, 1), (2, 1), (32, 1), (100, 1), (126, 1), (1000, 1), (100, 8)] as [(Int, Int)],
    [290.0, 1180])
  func marksDontCoverEachOther(model: (layers: Int, each: Int), width: Double) throws {
    let charts = try panels(layers: model.layers, each: model.each)
    #expect(charts.panels.count == Self.kinds.count + 1)
    for panel in charts.panels {
      let boxes = try panel.marks.map { try box($0, width) }
      // Of a thousand layers eight share a slot.
      let slotCount = model.layers == 1000 ? 125 : model.layers
      #expect(boxes.count == (panel.title == "outside of layers" ? 3 : slotCount))
      for (one, first) in boxes.enumerated() {
        #expect(first.x.lowerBound >= 0 && first.x.upperBound <= width)
        #expect(first.y.lowerBound >= 0 && first.y.upperBound <= Double(charts.bottom))
        for second in boxes.dropFirst(one + 1) {
          #expect(
            !(first.x.overlaps(second.x) && first.y.overlaps(second.y)),
            "\(panel.title), \(model.layers) layers")
        }
        if let whisker = panel.marks[one].whisker {
          let place = try #require(Double(whisker.x.dropLast())) * width / 100
          #expect(first.x.contains(place))
        }
      }
    }
  }

  @Test func eachLayerHasAMarkOfItsOwn() throws {
    let charts = try panels(layers: 100)
    #expect(charts.panels[0].title == "attn_q")
    #expect(charts.panels[0].marks.count == 100)
    #expect(charts.panels[0].marks.allSatisfy { $0.whisker == nil })
    #expect(charts.panels[0].marks[37].text == "attn_q of 37")
    #expect(charts.panels.last?.title == "outside of layers")
    #expect(charts.density == "many")
  }

  @Test func severalInOnePlaceAreOneMark() throws {
    let marks = try panels(layers: 4, kinds: ["experts.*.up"], each: 64).panels[0].marks
    #expect(marks.count == 4)
    #expect(marks.allSatisfy { $0.text.hasPrefix("64 tensors: median 0.0") })
    for mark in marks {
      let whisker = try #require(mark.whisker)
      let ends = (try #require(Double(whisker.top)), try #require(Double(whisker.bottom)))
      #expect(ends.0 < ends.1)
    }
  }

  @Test func labelsDontTouch() throws {
    for layers in [1, 7, 32, 100, 1000, 9999] {
      let charts = try panels(layers: layers, kinds: ["a"], limit: ("--max-rmse", 0.05))
      let labels = try charts.numberTicks.map { try #require(Double($0.at)) }
      #expect(labels.count >= 2)
      #expect(zip(labels, labels.dropFirst()).allSatisfy { abs($0 - $1) >= 15 })
      // In the narrowest chart a label of four digits takes 28 pixels.
      let places = try charts.panels[0].ticks.map {
        try #require(Double($0.at.dropLast())) * 2.9
      }
      #expect(!places.isEmpty)
      #expect(zip(places, places.dropFirst()).allSatisfy { $1 - $0 >= 28 })
      #expect(charts.limit?.label == "--max-rmse 0.05")
    }
  }

  @Test func manyKindsShareAChart() throws {
    let charts = try panels(layers: 2, kinds: (0..<500).map { "kind\($0)" }, others: 0)
    #expect(charts.panels.count == 24)
    #expect(charts.panels.last?.title == "477 other kinds")
    #expect(LayerPanels([], [], shown: []) == nil)
  }
}
