import TensorModel

/// How relative errors are distributed, a row for each type: every tensor a stroke, the middle half a box, the median a line.
struct TypeChart {
  /// A type's tensors.
  struct Row {
    let name: String
    /// What is said at its end.
    let text: String
    /// Where it is: its middle, and its top.
    let middle: String
    let top: String
    /// The strokes, as a path.
    let strokes: String
    let boxStart: String
    let boxExtent: String
    let median: String
    /// The class that gives the colour.
    let color: String
  }

  let width = 1080
  let height: Int
  let left = pixels(Self.left)
  let right = pixels(Self.right)
  let bottom: String
  let rowHeight = pixels(Self.strokeHeight)
  let labelX = pixels(Self.left - 10)
  let textX = pixels(Self.right + 12)
  let ticksY: String
  let titleY: String
  let titleX = pixels((Self.left + Self.right) / 2)
  let ticks: [Tick]
  let rows: [Row]

  private static let left = 84.0
  private static let right = 780.0
  private static let spacing = 40.0
  private static let strokeHeight = 22.0
  private static let top = 8.0

  /// A chart; nil if there is nothing to show.
  ///
  /// - Parameter types: with their colours and errors.
  init?(_ types: [(name: String, color: String, errors: [Double])]) {
    let types = types.map { type in
      (type.name, type.color, errors: type.errors.filter { $0.isFinite && $0 >= 0 }.sorted())
    }.filter { !$0.errors.isEmpty }
    guard !types.isEmpty else { return nil }
    let axis = LogarithmicAxis(types.flatMap(\.errors), from: Self.left + 6, to: Self.right - 6)
    ticks = axis.ticks
    let end = Self.top + Self.spacing * Double(types.count)
    bottom = pixels(end)
    ticksY = pixels(end + 18)
    titleY = pixels(end + 40)
    height = Int(end) + 48
    rows = types.enumerated().map { number, type in
      let (name, color, errors) = type
      let middle = Self.top + Self.spacing * (Double(number) + 0.5)
      let top = middle - Self.strokeHeight / 2
      // Strokes on one pixel are one stroke.
      var places: [String] = []
      for error in errors {
        let place = pixels(axis.position(error))
        if places.last != place { places.append(place) }
      }
      let box = (axis.position(quantile(errors, 0.25)), axis.position(quantile(errors, 0.75)))
      let median = quantile(errors, 0.5)
      return Row(
        name: name,
        text: errors.count == 1
          ? "1 tensor: \(threeDigitsInColumn(median))"
          : "\(grouped(errors.count)) tensors: median \(threeDigitsInColumn(median)), largest \(threeDigitsInColumn(errors[errors.count - 1]))",
        middle: pixels(middle), top: pixels(top),
        strokes: places.map { "M\($0) \(pixels(top))v\(pixels(Self.strokeHeight))" }.joined(),
        boxStart: pixels(box.0), boxExtent: pixels(box.1 - box.0),
        median: pixels(axis.position(median)), color: color)
    }
  }
}

/// The number that a part of sorted numbers doesn't exceed, between two of them linearly.
func quantile(_ sorted: [Double], _ part: Double) -> Double {
  let place = part * Double(sorted.count - 1)
  let lower = Int(place)
  let upper = min(lower + 1, sorted.count - 1)
  return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
}
