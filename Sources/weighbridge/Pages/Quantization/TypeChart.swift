import TensorModel

/// How relative errors are distributed, a row for each type: every tensor a stroke, the middle half a box, the median a line; places are percent of a row's width.
struct TypeChart {
  /// A type's tensors.
  struct Row {
    let style: SeriesStyle
    /// What is said about it.
    let text: String
    /// Where its tensors are.
    let strokes: [String]
    let boxStart: String
    let boxExtent: String
    let median: String
  }

  let ticks: [Tick]
  let rows: [Row]

  /// A narrow page has room for this many labels.
  private static let labelCount = 6

  /// A chart; nil if there is nothing to show.
  ///
  /// - Parameter types: their styles and errors.
  init?(_ types: [(style: SeriesStyle, errors: [Double])]) {
    let types = types.map { type in
      (type.style, errors: type.errors.filter { $0.isFinite && $0 >= 0 }.sorted())
    }.filter { !$0.errors.isEmpty }
    guard !types.isEmpty else { return nil }
    let axis = LogarithmicAxis(types.flatMap(\.errors), from: 1, to: 99, zeroGap: 5)
    let step = (axis.ticks.count + Self.labelCount - 1) / Self.labelCount
    ticks = stride(from: 0, to: axis.ticks.count, by: max(1, step)).map {
      Tick(at: axis.ticks[$0].at + "%", label: axis.ticks[$0].label)
    }
    rows = types.map { style, errors in
      // Strokes in one place are one stroke.
      var places: [String] = []
      for error in errors {
        let place = pixels(axis.position(error)) + "%"
        if places.last != place { places.append(place) }
      }
      let box = (axis.position(quantile(errors, 0.25)), axis.position(quantile(errors, 0.75)))
      let median = quantile(errors, 0.5)
      return Row(
        style: style,
        text: errors.count == 1
          ? "1 tensor: \(threeDigitsInColumn(median))"
          : "\(grouped(errors.count)) tensors: median \(threeDigitsInColumn(median)), largest \(threeDigitsInColumn(errors[errors.count - 1]))",
        strokes: places, boxStart: percentPlace(box.0), boxExtent: percentPlace(box.1 - box.0),
        median: percentPlace(axis.position(median)))
    }
  }
}
