/// An axis of layers, each as wide as the others.
struct LayerAxis {
  /// Layers.
  let count: Int
  /// How wide each is, in pixels.
  let bandWidth: Double
  private let start: Double

  /// Labels are at least so far from each other.
  private static let labelWidth = 28.0

  /// An axis for layers from 0.
  ///
  /// - Parameters:
  ///   - count: layers, at least 1.
  ///   - start: where the first begins, in pixels.
  ///   - end: where the last ends.
  init(_ count: Int, from start: Double, to end: Double) {
    self.count = max(1, count)
    self.start = start
    bandWidth = (end - start) / Double(self.count)
  }

  /// Where a layer begins, in pixels.
  func start(_ layer: Int) -> Double { start + Double(layer) * bandWidth }

  /// The middle of a layer, in pixels.
  func middle(_ layer: Int) -> Double { start(layer) + bandWidth / 2 }

  /// Labelled layers.
  var ticks: [Tick] {
    let step = max(1, Int(roundStep(atLeast: Self.labelWidth / bandWidth)))
    return stride(from: 0, to: count, by: step).map {
      Tick(at: pixels(middle($0)), label: "\($0)")
    }
  }
}
